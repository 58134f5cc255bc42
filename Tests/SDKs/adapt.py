"""Adapts the tests of an SDK: a longer secret, and the API on the admin port. Give it the files to rewrite.

The tests sign with the secret "secret". Carillon wants at least 32 bytes, so every token in the files is signed again.
"""

import base64
import hashlib
import hmac
import pathlib
import re
import sys

SECRET = "a secret of 32 bytes for SDK tests"
TOKEN = re.compile(r"(eyJ[\w-]+\.[\w-]+)\.[\w-]+")


def signed(match):
    digest = hmac.new(SECRET.encode(), match[1].encode(), hashlib.sha256).digest()
    return f"{match[1]}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


for name in sys.argv[1:]:
    file = pathlib.Path(name)
    text = TOKEN.sub(signed, file.read_text())
    text = text.replace('hmac_secret = "secret"', f'hmac_secret = "{SECRET}"')
    text = text.replace(
        '"centrifuge.tokenSecret", "secret"', f'"centrifuge.tokenSecret", "{SECRET}"'
    )
    file.write_text(text.replace("localhost:8000/api", "localhost:8001/api"))

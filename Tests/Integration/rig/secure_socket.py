"""TLS for clients that read and write in two threads."""

import select
import socket
import ssl


def secure_socket(host: str, port: int, context: ssl.SSLContext, timeout: float = 10) -> ssl.SSLSocket:
    """A connection on which the handshake is over, session tickets included.

    With TLS 1.3 a server sends its tickets right after the handshake. Until version 3.13, Python lets one thread read them
    while another one writes, which OpenSSL does not allow: now and then the first thing that is written never leaves. So the
    tickets are read here, before there are two threads.
    """
    secure = context.wrap_socket(socket.create_connection((host, port), timeout), server_hostname=host)
    if secure.version() == "TLSv1.3":
        readable, _, _ = select.select([secure], [], [], timeout)
        assert readable, "no session ticket came"
        secure.settimeout(0)
        try:
            early = secure.recv(1)
        except ssl.SSLWantReadError:
            pass
        else:
            secure.close()
            raise ConnectionError(f"something else than a ticket came: {early!r}")
    secure.settimeout(None)
    return secure

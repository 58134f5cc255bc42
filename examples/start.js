// The start page: whether Carillon is there, and what else this demonstration has.
import { $, client, make, settings } from '/shared/page.js'

client()
for (const [text, address] of settings.more ?? []) $('more').append(make('a', { href: address }, text), '   ')

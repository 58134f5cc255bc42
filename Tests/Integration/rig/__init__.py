"""Real servers and clients that nobody of this project wrote, for the tests and for `make demo`.

waiting        conditions with deadlines, instead of sleeps
process        a server process: started, awaited, stopped by its id
redis_server   redis-server
node           one Carillon node
balancers      HAProxy and nginx with the files of deploy/
cluster        all of these together
wire           bytes on a socket, for what no well-behaved client sends
api            the admin listener over HTTP
receivers      clients in Python that record what they get
browser        headless Chromium, driven over its DevTools protocol
page           the admin page in it
stage          a cluster in which something of everything is going on
control        a well-behaved client beside an abuse: does it notice?
crowd          thousands of connections that do what no well-behaved client does
footprint      what a node takes from its machine
gateways       HAProxy and nginx that understand HTTP
subscribers    many subscribers as a process that can be stopped
liar           a server that says it is Redis
monitor        what Redis is told, command by command
fleet          every kind of client on every node, and every way of publishing to them
"""

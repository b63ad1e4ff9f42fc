"""A TLS client of Python: what it reads from stdin it sends, what it receives it prints.

client.py PORT CA VERSION CIPHERS [CERT KEY]; "" leaves one out. From a byte \\1 to the next one it keeps back the
second half of each record that it makes: half a record is in the service while that is upgraded.
"""
import os
import select
import socket
import ssl
import sys

port, ca, version, ciphers, cert, key = [*sys.argv[1:], "", ""][:6]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
if version == "TLSv1_2":
    context.set_ciphers(ciphers)
if cert:
    context.load_cert_chain(cert, key)
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
sock = socket.create_connection(("127.0.0.1", int(port)))
half, kept = False, b""  # whether halves are kept back, and the one that is


def flush():
    global kept
    data = kept + outgoing.read()
    kept = b""
    if half and len(data) > 1:
        data, kept = data[: len(data) // 2], data[len(data) // 2 :]
    sock.sendall(data)


def receive():
    data = sock.recv(65536)
    if data:
        incoming.write(data)
    else:
        incoming.write_eof()


while True:
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        flush()
        receive()
flush()
while True:
    ready, _, _ = select.select([sock, sys.stdin.buffer], [], [])
    if sys.stdin.buffer in ready:
        typed = os.read(0, 65536)
        if not typed:
            try:
                tls.unwrap()
            except ssl.SSLWantReadError:
                flush()
            break
        pieces = typed.split(b"\1")
        for i, piece in enumerate(pieces):
            if i > 0:
                half = not half
                if not half:
                    flush()
            if piece:
                tls.write(piece)
                flush()
    if sock in ready:
        receive()
        try:
            while data := tls.read(65536):
                os.write(1, data)
            break  # close_notify
        except ssl.SSLWantReadError:
            flush()

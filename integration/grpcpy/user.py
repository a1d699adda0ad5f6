"""Calls the target for each line of its input, a number and a time limit in seconds, until that ends.

It answers each by a line: the number, "ok" or "error", and the bytes of the response in hexadecimal, or what went wrong.
"""

import sys

import grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    call = channel.unary_unary("/grpc.testing.TestService/UnaryCall")
    for line in sys.stdin:
        number, limit = line.split()
        try:
            said = "ok " + call(b"", timeout=float(limit)).hex()
        except grpc.RpcError as error:
            said = f"error {error.code().name}: {error.details()}".replace("\n", " ")
        print(number, said, flush=True)

"""The naive peer: a Python gRPC server that solves each request of `JobService.Solve`
in its handler. Nothing is queued, durable, checked or isolated. The arguments are the
file of the descriptors of solvemesh.v1 and a port (0 for any); prints `listening on
PORT`.

The settings favour speed: grpc.aio, and the solve in the event loop, because a thread
pool costs a switch per request and the solve is short; one process per core, each with
a port of its own, over which the client spreads its requests."""

import asyncio
import sys

import grpc
import highspy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import wyndor_highs


def messages(path):
    """The classes of request and response, from the descriptors: no generated code."""
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)

    def find(name):
        return message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"solvemesh.v1.{name}")
        )

    return find("SolveRequest"), find("SolveResponse")


def answer(request, response):
    model = request.model.linear
    objective, values = wyndor_highs.solve(
        highspy.ObjSense.kMaximize,
        model.objective,
        [0.0] * len(model.objective),
        [highspy.kHighsInf] * len(model.objective),
        model.constraint_upper,
        model.row_starts,
        model.column_indices,
        model.coefficients,
    )
    response.job.state = 3  # JOB_STATE_SUCCEEDED
    response.job.result.termination.reason = 1  # TERMINATION_REASON_OPTIMAL
    response.job.result.termination.objective = objective
    response.job.result.solution.values.extend(values)
    return response


async def serve(descriptors, port):
    request_class, response_class = messages(descriptors)

    async def solve(request, _context):
        return answer(request, response_class())

    handler = grpc.unary_unary_rpc_method_handler(
        solve,
        request_deserializer=request_class.FromString,
        response_serializer=response_class.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "solvemesh.v1.JobService", {"Solve": handler}
            ),
        )
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"listening on {port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

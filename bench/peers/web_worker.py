"""The worker of the classic stack: takes jobs from RabbitMQ (pika), solves each with
Pyomo and GLPK, and replies. The argument is the URL of the broker; prints
`listening`."""

import sys

import pika
import pyomo_wyndor

QUEUE = "web.jobs"


def main():
    channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
    channel.queue_declare(QUEUE, durable=True)
    # A second job waits in the worker, so that it is not idle for a round trip.
    channel.basic_qos(prefetch_count=2)

    def solve(channel, method, properties, body):
        profit = pyomo_wyndor.maximum(float(body))
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, str(profit).encode(), reply)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(QUEUE, solve)
    pyomo_wyndor.maximum(100)  # warm-up: the first solve loads what all need
    print("listening", flush=True)
    channel.start_consuming()


main()

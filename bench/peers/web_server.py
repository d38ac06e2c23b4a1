"""The front of the classic stack: a web form (Tornado) that queues a job in RabbitMQ
(pika) and responds when a worker has replied. The argument is the URL of the broker;
prints `listening on PORT`."""

import sys
import uuid

import pika
import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.web
from pika.adapters.tornado_connection import TornadoConnection
from tornado.concurrent import Future

QUEUE = "web.jobs"

FORM = """<form method="post"><label>Profit of a batch of windows
<input name="rate" value="500"></label><button>Solve</button></form>"""


class Broker:
    """A channel to the broker, and the requests that wait for their replies."""

    def __init__(self, url, ready):
        self.waiting = {}
        self.channel = None
        self.replies = None
        self.ready = ready
        TornadoConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(
                on_open_callback=self.opened
            ),
            on_open_error_callback=lambda _, error: sys.exit(str(error)),
        )

    def opened(self, channel):
        self.channel = channel
        channel.queue_declare(
            QUEUE, durable=True, callback=lambda _: self.declare_replies(channel)
        )

    def declare_replies(self, channel):
        def declared(frame):
            self.replies = frame.method.queue
            channel.basic_consume(self.replies, self.replied, auto_ack=True)
            self.ready()

        channel.queue_declare("", exclusive=True, callback=declared)

    def replied(self, _channel, _method, properties, body):
        future = self.waiting.pop(properties.correlation_id, None)
        if future is not None:
            future.set_result(body)

    def solve(self, rate):
        """Queues a job; returns a future of the reply."""
        job = str(uuid.uuid4())
        self.waiting[job] = Future()
        properties = pika.BasicProperties(
            reply_to=self.replies, correlation_id=job, delivery_mode=2
        )
        self.channel.basic_publish("", QUEUE, rate.encode(), properties)
        return self.waiting[job]


class Form(tornado.web.RequestHandler):
    def initialize(self, broker):
        self.broker = broker

    def get(self):
        self.write(FORM)

    async def post(self):
        self.write(await self.broker.solve(self.get_body_argument("rate")))


def main():
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")

    def ready():
        server.add_sockets(sockets)
        print(f"listening on {sockets[0].getsockname()[1]}", flush=True)

    broker = Broker(sys.argv[1], ready)
    server = tornado.httpserver.HTTPServer(
        tornado.web.Application([("/", Form, {"broker": broker})])
    )
    tornado.ioloop.IOLoop.current().start()


main()

//! The ceiling of the throughput: the same path through the broker, without gateway, model and
//! solver. A job of 300 bytes is published to a quorum queue and confirmed; an echo consumes it,
//! publishes it to a stream and acknowledges it after the confirm; a consumer reads the stream.

use std::{collections::VecDeque, time::Instant};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::rate::Rate;

const QUEUE: &str = "echo.jobs";
const STREAM: &str = "echo.log";
const BODY: [u8; 300] = [7; 300];

/// Number of messages of the stream that are acknowledged together.
const ACK_EVERY: u64 = 250;

/// Measures the rate of `jobs` jobs through queue, echo and stream, with at most `in_flight`
/// unconfirmed at a time.
pub(crate) async fn echo(url: &str, jobs: usize, in_flight: usize) -> anyhow::Result<Rate> {
    let [publish, echo, tail] = [connect(url).await?, connect(url).await?, connect(url).await?];
    let publisher = publish.create_channel().await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    declare(&publisher, QUEUE, "quorum").await?;
    declare(&publisher, STREAM, "stream").await?;

    let window = u16::try_from(in_flight)?;
    let echoing = tokio::spawn(echoes(echo.create_channel().await?, jobs, window));
    let tail = tail.create_channel().await?;
    tail.basic_qos(500, BasicQosOptions::default()).await?;
    let mut from_first = FieldTable::default();
    from_first.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
    let mut seen = tail
        .basic_consume(STREAM.into(), "".into(), BasicConsumeOptions::default(), from_first)
        .await?;

    let begin = Instant::now();
    let publishing = tokio::spawn(async move {
        let mut confirms = Window::new(in_flight);
        for _ in 0..jobs {
            confirms.push(send(&publisher, QUEUE, &BODY).await?).await?;
        }
        confirms.drain().await
    });
    for count in 1..=jobs as u64 {
        let delivery: Delivery = next(&mut seen).await?;
        if count % ACK_EVERY == 0 || count == jobs as u64 {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    let rate = Rate::of(jobs, begin.elapsed());
    publishing.await??;
    echoing.await??;
    Ok(rate)
}

/// The echo: consumes jobs, publishes each to the stream, and acknowledges it after the confirm.
async fn echoes(channel: Channel, jobs: usize, window: u16) -> anyhow::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(window, BasicQosOptions::default()).await?;
    let mut consumer = channel
        .basic_consume(
            QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut waiting: VecDeque<(Delivery, PublisherConfirm)> = VecDeque::new();
    for _ in 0..jobs {
        let delivery: Delivery = next(&mut consumer).await?;
        let confirm = send(&channel, STREAM, &delivery.data).await?;
        waiting.push_back((delivery, confirm));
        // At half of the prefetch window, so that the broker keeps delivering meanwhile.
        if waiting.len() >= usize::from(window) / 2 {
            acknowledge(&mut waiting, 1).await?;
        }
    }
    let rest = waiting.len();
    acknowledge(&mut waiting, rest).await
}

/// Acknowledges the oldest `count` deliveries, each after the confirm of its copy.
async fn acknowledge(
    waiting: &mut VecDeque<(Delivery, PublisherConfirm)>,
    count: usize,
) -> anyhow::Result<()> {
    for (delivery, confirm) in waiting.drain(..count) {
        check_confirmed(confirm.await?)?;
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Publishes that await their confirms, `size` at most.
struct Window {
    size: usize,
    waiting: VecDeque<PublisherConfirm>,
}

impl Window {
    fn new(size: usize) -> Self {
        Self { size, waiting: VecDeque::with_capacity(size) }
    }

    async fn push(&mut self, confirm: PublisherConfirm) -> anyhow::Result<()> {
        self.waiting.push_back(confirm);
        if self.waiting.len() >= self.size
            && let Some(oldest) = self.waiting.pop_front()
        {
            check_confirmed(oldest.await?)?;
        }
        Ok(())
    }

    async fn drain(self) -> anyhow::Result<()> {
        for confirm in self.waiting {
            check_confirmed(confirm.await?)?;
        }
        Ok(())
    }
}

fn check_confirmed(confirmation: Confirmation) -> anyhow::Result<()> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        other => anyhow::bail!("not confirmed: {other:?}"),
    }
}

async fn connect(url: &str) -> anyhow::Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

async fn declare(channel: &Channel, name: &str, kind: &'static str) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, arguments).await?;
    Ok(())
}

async fn send(channel: &Channel, to: &str, body: &[u8]) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish(ShortString::default(), to.into(), options, body, properties).await
}

async fn next(consumer: &mut lapin::Consumer) -> anyhow::Result<Delivery> {
    match consumer.next().await {
        Some(delivery) => Ok(delivery?),
        None => anyhow::bail!("the consumer ended"),
    }
}

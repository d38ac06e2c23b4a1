//! The ceiling of the throughput: the same path through the broker, without gateway, model and
//! solver. A job of 300 bytes is published to a quorum queue and confirmed; an echo consumes it,
//! publishes it to a stream and acknowledges it after the confirm; a consumer reads the stream.

use std::{collections::VecDeque, time::Instant};

use lapin::{
    Channel, Connection, Consumer, PublisherConfirm,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{
    amqp::{check_confirmed, connect, declare, next, send},
    rate::Rate,
};

const QUEUE: &str = "echo.jobs";
const STREAM: &str = "echo.log";
const BODY: [u8; 300] = [7; 300];

/// Number of round trips before those that are measured: the first opens files in the broker.
const WARM_UP: usize = 20;

/// Number of messages of the stream that are acknowledged together.
const ACK_EVERY: u64 = 250;

/// A publisher of jobs, and a reader of the stream.
struct Ends {
    publisher: Channel,
    seen: Consumer,
    echoing: tokio::task::JoinHandle<anyhow::Result<()>>,
    /// Dropping them would close the channels.
    _connections: [Connection; 3],
}

/// Sets up the path on an empty virtual host, for this number of jobs.
async fn ends(url: &str, jobs: usize, window: u16) -> anyhow::Result<Ends> {
    let [publish, echo, tail] = [connect(url).await?, connect(url).await?, connect(url).await?];
    let publisher = publish.create_channel().await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    declare(&publisher, QUEUE, "quorum").await?;
    declare(&publisher, STREAM, "stream").await?;
    let echoing = tokio::spawn(echoes(echo.create_channel().await?, jobs, window));
    let channel = tail.create_channel().await?;
    channel.basic_qos(500, BasicQosOptions::default()).await?;
    let mut from_first = FieldTable::default();
    from_first.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
    let seen = channel
        .basic_consume(STREAM.into(), "".into(), BasicConsumeOptions::default(), from_first)
        .await?;
    Ok(Ends { publisher, seen, echoing, _connections: [publish, echo, tail] })
}

/// Measures the rate of `jobs` jobs through queue, echo and stream, with at most `in_flight`
/// unconfirmed at a time.
pub(crate) async fn echo(url: &str, jobs: usize, in_flight: usize) -> anyhow::Result<Rate> {
    let mut ends = ends(url, jobs, u16::try_from(in_flight)?).await?;
    let begin = Instant::now();
    let publisher = ends.publisher.clone();
    let publishing = tokio::spawn(async move {
        let mut confirms = Window::new(in_flight);
        for _ in 0..jobs {
            confirms.push(send(&publisher, QUEUE, &BODY).await?).await?;
        }
        confirms.drain().await
    });
    for count in 1..=jobs as u64 {
        let delivery = next(&mut ends.seen).await?;
        if count % ACK_EVERY == 0 || count == jobs as u64 {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    let rate = Rate::of(jobs, begin.elapsed());
    publishing.await??;
    ends.echoing.await??;
    Ok(rate)
}

/// Measures how long each of `jobs` jobs takes from its publish until its copy arrives from the
/// stream, in milliseconds, with one in flight.
pub(crate) async fn round_trips(url: &str, jobs: usize) -> anyhow::Result<Vec<f64>> {
    let mut ends = ends(url, WARM_UP + jobs, 1).await?;
    let mut times = Vec::with_capacity(WARM_UP + jobs);
    for _ in 0..WARM_UP + jobs {
        let begin = Instant::now();
        let confirm = send(&ends.publisher, QUEUE, &BODY).await?;
        let delivery = next(&mut ends.seen).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        delivery.ack(BasicAckOptions::default()).await?;
        check_confirmed(confirm.await?)?;
    }
    ends.echoing.await??;
    Ok(times.split_off(WARM_UP))
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
        let delivery = next(&mut consumer).await?;
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

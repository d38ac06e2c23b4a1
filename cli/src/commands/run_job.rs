use std::{
    io,
    pin::{Pin, pin},
};

use futures::future::OptionFuture;
use solvemesh_client::{
    Client, Error, Outcome,
    v1::{Job, ScenarioResult, SubmitJobRequest},
};
use tokio::{select, signal::ctrl_c};

use crate::{
    args::submission::SubmissionArgs,
    commands::follow::{Follow, JobUpdate},
    exit::Failure,
    output::{report::warn, terminal::Terminal},
};

/// Receives the data of a job while it runs.
pub(crate) trait ResultSink {
    /// Called once, when the mesh has accepted the job.
    fn accepted(&mut self, _job: &Job) -> io::Result<()> {
        Ok(())
    }

    /// Called for each batch of scenario results.
    fn answers(&mut self, results: &[ScenarioResult]) -> io::Result<()>;
}

/// Submits a job and watches it until it finishes. The first interrupt (Ctrl-C) cancels the job
/// and waits for what it has so far; the second stops waiting. Returns `None` if the job had not
/// finished by then.
pub(crate) async fn run_job(
    client: &Client,
    submission: &SubmissionArgs,
    request: SubmitJobRequest,
    mut screen: Terminal,
    mut interrupt: Pin<&mut impl Future<Output = io::Result<()>>>,
    teller: &mut impl ResultSink,
) -> Result<Option<(Outcome, Terminal)>, Failure> {
    let job = select! {
        job = submission.submit(client, request) => job?,
        _ = &mut interrupt => {
            screen.say("interrupted before the mesh responded; the job may have been submitted");
            return Ok(None);
        }
    };
    warn(job.description.as_ref().map(|d| d.warnings.as_slice()).unwrap_or_default(), &mut screen);
    screen.hint(&format!("job {}", job.job_id));
    teller.accepted(&job)?;

    let mut follow = Follow::new(client, std::slice::from_ref(&job.job_id), screen);
    let mut again = pin!(OptionFuture::default());
    let mut cancel = pin!(OptionFuture::default());
    let (mut asked, mut cancelling) = (false, false);
    loop {
        select! {
            news = follow.news() => match news? {
                Some(JobUpdate::Queued { .. }) => {}
                Some(JobUpdate::Answers { results, .. }) => teller.answers(&results)?,
                Some(JobUpdate::Ended(outcome)) => return Ok(Some((outcome, follow.screen))),
                None => {
                    let early = "the event stream ended before the job finished";
                    return Err(Error::Malformed(early.into()).into());
                }
            },
            _ = &mut interrupt, if !asked => {
                follow.screen.say("cancelling the job; Ctrl-C again exits without waiting");
                again.set(Some(ctrl_c()).into());
                cancel.set(Some(client.cancel(&job.job_id)).into());
                (asked, cancelling) = (true, true);
            }
            _ = &mut again, if asked => {
                follow.screen.say(&format!("interrupted; {}", follow.again()));
                return Ok(None);
            }
            answer = &mut cancel, if cancelling => {
                cancelling = false;
                if let Some(Err(error)) = answer {
                    follow.screen.say(&format!("cannot cancel the job: {error}"));
                }
            }
        }
    }
}

use std::pin::pin;

use clap::Args;
use futures::future::OptionFuture;
use solvemesh_client::{Client, Error};
use tokio::{select, signal::ctrl_c};

use super::{
    arguments::{LiveArgs, ReportArgs},
    exit::{Exit, Failure},
    follow::Follow,
    report::{report, warn},
    screen::Screen,
    submission::SubmissionArgs,
};

/// Arguments of `solve`.
#[derive(Args, Debug)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    live: LiveArgs,
}

/// Submits a model and follows its job to the end. The first Ctrl-C cancels the job and
/// waits for the best solution so far; the second leaves it alone.
pub(crate) async fn solve(client: &Client, args: &SolveArgs) -> Result<Exit, Failure> {
    let mut screen = Screen::new(args.report.verbose).telling(args.live);
    // Until it is read, Ctrl-C ends the program.
    let mut request = args.submission.request()?;
    request.options.get_or_insert_default().log = args.live.log;
    let mut interrupt = pin!(ctrl_c());
    let job = select! {
        job = args.submission.submit(client, request) => job?,
        _ = &mut interrupt => {
            screen.say("left before the mesh answered; the model may have been submitted");
            return Ok(Exit::Left);
        }
    };
    warn(job.description.as_ref().map(|d| d.warnings.as_slice()).unwrap_or_default(), &mut screen);
    screen.hint(&format!("job {}", job.job_id));

    let mut follow = Follow::new(client, std::slice::from_ref(&job.job_id), screen);
    let mut cancel = pin!(OptionFuture::default());
    let (mut asked, mut cancelling) = (false, false);
    loop {
        select! {
            outcome = follow.next() => {
                let missing = || Error::Malformed("the events ended before the job did".into());
                return Ok(report(&outcome?.ok_or_else(missing)?, args.report, &mut follow.screen)?);
            }
            _ = &mut interrupt => {
                if asked {
                    follow.screen.say(&format!("left; {}", follow.again()));
                    return Ok(Exit::Left);
                }
                follow.screen.say("cancelling; Ctrl-C again leaves without waiting");
                interrupt.set(ctrl_c());
                cancel.set(Some(client.cancel(&job.job_id)).into());
                (asked, cancelling) = (true, true);
            }
            answer = &mut cancel, if cancelling => {
                cancelling = false;
                if let Some(Err(error)) = answer {
                    follow.screen.say(&format!("could not cancel: {error}"));
                }
            }
        }
    }
}

use clap::Args;
use solvemesh_client::{
    Client, Error,
    v1::{
        Model, NamedConstraint, NamedModel, NamedTerm, NamedVariable, ObjectiveSense,
        SubmitJobRequest, model::Form,
    },
};

use crate::{
    args::output::ReportArgs,
    commands::follow::Follow,
    exit::{Exit, Failure},
    output::{report::report, terminal::Terminal},
};

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Set the profit of a batch of windows; a batch of doors earns 300
    #[arg(
        long,
        env = "SOLVEMESH_WINDOWS_RATE",
        value_name = "RATE",
        default_value_t = 500.0,
        allow_negative_numbers = true,
        value_parser = finite
    )]
    windows_rate: f64,
}

/// Solves the Wyndor Glass model and prints its events as they arrive, then its result.
pub(crate) async fn demo(client: &Client, args: &DemoArgs) -> Result<Exit, Failure> {
    let model = wyndor(args.windows_rate);
    let request = SubmitJobRequest { model: Some(model), ..SubmitJobRequest::default() };
    let job = client.submit(request).await?;
    let mut follow = Follow::new(client, &[job.job_id], Terminal::of_data());
    let outcome = follow.next().await?;
    let missing = || Error::Malformed("the event stream ended before the job finished".into());
    let all = ReportArgs { all: true, ..ReportArgs::default() };
    Ok(report(&outcome.ok_or_else(missing)?, all, &mut follow.screen)?)
}

/// The Wyndor Glass product mix: the number of batches of two products per week that maximises
/// the profit within the hours that three plants have left.
fn wyndor(windows_rate: f64) -> Model {
    let named = NamedModel {
        sense: ObjectiveSense::Maximize.into(),
        objective_offset: 0.0,
        variables: vec![product("Doors", 300.0), product("Windows", windows_rate)],
        constraints: vec![
            plant("Plant 1", &[("Doors", 1.0)], 4.0),
            plant("Plant 2", &[("Windows", 2.0)], 12.0),
            plant("Plant 3", &[("Doors", 3.0), ("Windows", 2.0)], 18.0),
        ],
    };
    Model { name: "Wyndor Glass".into(), form: Some(Form::Named(named)) }
}

fn product(name: &str, rate: f64) -> NamedVariable {
    NamedVariable { name: name.into(), objective: Some(rate), ..NamedVariable::default() }
}

fn plant(name: &str, terms: &[(&str, f64)], hours: f64) -> NamedConstraint {
    let term = |&(variable, coefficient): &(&str, f64)| NamedTerm {
        variable: variable.into(),
        coefficient: Some(coefficient),
    };
    NamedConstraint {
        name: name.into(),
        terms: terms.iter().map(term).collect(),
        lower: None,
        upper: Some(hours),
    }
}

fn finite(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite());
    rate.ok_or_else(|| "must be a finite number".into())
}

//! Results of a solve other than the solution, through a gateway: proofs, bases and ranges.

use solvemesh::v1::{BoundSide, SolveOptions, StartingPoint, SubmitJobRequest, TerminationReason};
use solvemesh_tests::{
    instances::{Expected, Instances},
    jobs,
    mesh::Gateway,
    models,
};

fn with_subset(request: SubmitJobRequest) -> SubmitJobRequest {
    let options =
        SolveOptions { return_infeasible_subset: true, ..request.options.unwrap_or_default() };
    SubmitJobRequest { options: Some(options), ..request }
}

#[tokio::test]
async fn an_infeasible_model_names_the_conflicting_bounds() {
    let gateway = Gateway::embedded(&[]).await;
    let text = "Minimize\n x + y\nSubject To\n demand: x + y >= 5\n side: x - y <= 9\n\
                Bounds\n x <= 2\n y <= 2\nEnd";
    let story = jobs::solve(&gateway.api(), with_subset(jobs::request(models::lp(text)))).await;
    assert_eq!(story.termination().reason(), TerminationReason::Infeasible);
    let proof = story.result().infeasibility_proof.as_ref().expect("a proof");
    assert!(proof.verified);
    assert_eq!(proof.constraint_names, ["demand"]);
    let subset = story.result().infeasible_subset.as_ref().expect("a subset");
    assert!(subset.verified && subset.irreducible);
    let bounds = subset.constraints.iter().chain(&subset.variables);
    let named: Vec<_> = bounds.map(|of| (of.name.as_str(), of.side(), of.bound)).collect();
    let (lower, upper) = (BoundSide::Lower, BoundSide::Upper);
    assert_eq!(
        named,
        [("demand", lower, Some(5.0)), ("x", upper, Some(2.0)), ("y", upper, Some(2.0))]
    );
}

#[tokio::test]
async fn every_infeasible_public_model_has_a_proof_or_a_warning_about_integers() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let infeasible =
        |of: &solvemesh_tests::instances::Instance| of.expected == Expected::Infeasible;
    for instance in instances.index().into_iter().filter(infeasible) {
        let request = with_subset(jobs::exact(instances.model(&instance.file), 60));
        let story = jobs::solve(&gateway.api(), request).await;
        match &story.result().infeasible_subset {
            Some(subset) => {
                assert!(subset.verified && subset.irreducible, "{}", instance.file);
                let proof = story.result().infeasibility_proof.as_ref().expect("a proof");
                assert!(proof.verified, "{}", instance.file);
            }
            None => {
                assert!(instance.integer, "{}", instance.file);
                let warnings = &story.termination().warnings;
                assert!(
                    warnings.iter().any(|warning| warning.contains("relaxation")),
                    "{warnings:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_limit_that_does_not_apply_to_the_model_is_refused_with_its_field() {
    let gateway = Gateway::embedded(&[]).await;
    let options = SolveOptions { node_limit: Some(5), ..SolveOptions::default() };
    let request =
        SubmitJobRequest { options: Some(options), ..jobs::request(models::wyndor(500.0)) };
    let refusal = jobs::refusal(&gateway.api(), request).await;
    assert!(refusal.message().contains("options.node_limit"), "{refusal:?}");
}

#[tokio::test]
async fn the_basis_of_a_result_starts_the_next_job() {
    let gateway = Gateway::embedded(&[]).await;
    let options = SolveOptions { return_basis: true, ..SolveOptions::default() };
    let model = models::wide(200);
    let solve = |start: Option<StartingPoint>| {
        let request = SubmitJobRequest {
            options: Some(options.clone()),
            starts: start.into_iter().collect(),
            ..jobs::request(model.clone())
        };
        let api = gateway.api();
        async move { jobs::solve(&api, request).await }
    };
    let first = solve(None).await;
    let basis = first.result().basis.clone().expect("a basis");
    let again = solve(Some(StartingPoint { basis: Some(basis), ..StartingPoint::default() })).await;
    assert_eq!(again.objective(), first.objective());
    let iterations =
        again.result().statistics.as_ref().expect("statistics").simplex_iteration_count;
    assert_eq!(iterations, Some(0));
}

#[tokio::test]
async fn the_ranges_of_an_lp_are_in_its_solution_or_in_the_parts_of_it() {
    let gateway = Gateway::embedded(&[]).await;
    let options = SolveOptions { return_sensitivity: true, ..SolveOptions::default() };
    let request =
        |model| SubmitJobRequest { options: Some(options.clone()), ..jobs::request(model) };
    let story = jobs::solve(&gateway.api(), request(models::wyndor(500.0))).await;
    let solution = story.result().solution.as_ref().expect("a solution");
    let near = |found: &[f64], expected: &[f64]| {
        let near = |(a, b): (&f64, &f64)| a == b || (a - b).abs() < 1e-6;
        assert!(found.iter().zip(expected).all(near), "{found:?} instead of {expected:?}");
    };
    let costs = solution.cost_ranges.as_ref().expect("ranges");
    near(&costs.lower, &[0.0, 200.0]);
    near(&costs.upper, &[750.0, f64::INFINITY]);
    near(&costs.objective_at_lower, &[3000.0, 1800.0]);
    near(&costs.objective_at_upper, &[4500.0, f64::INFINITY]);
    let hours = solution.right_hand_side_ranges.as_ref().expect("ranges");
    near(&hours.lower, &[2.0, 6.0, 12.0]);
    near(&hours.upper, &[2.0, 18.0, 24.0]);
    near(&hours.objective_at_lower, &[3600.0, 2700.0, 3000.0]);
    near(&hours.objective_at_upper, &[3600.0, 4500.0, 4200.0]);
    let bounds = solution.bound_ranges.as_ref().expect("ranges");
    near(&bounds.lower, &[2.0, 6.0]);

    let story = jobs::solve(&gateway.api(), request(models::wide(5_000))).await;
    assert!(story.result().solution_part_count > 1);
    let costs = story.solutions().flat_map(|part| part.cost_ranges.iter().flat_map(|it| &it.upper));
    // The cheapest of each ten costs 1 and the next one 2: there its range ends. The others
    // stay out of the solution at any higher cost.
    let upper: Vec<f64> = costs.copied().collect();
    assert_eq!(upper.len(), 50_000);
    assert!(upper.chunks(10).all(|group| (group[0] - 2.0).abs() < 1e-9 && group[1].is_infinite()));
    let rows = story.solutions().flat_map(|part| &part.right_hand_side_ranges);
    assert_eq!(rows.map(|ranges| ranges.lower.len()).sum::<usize>(), 5_000);

    let integer = "Maximize\n x\nSubject To\n c: x <= 3.5\nGeneral\n x\nEnd";
    for (model, what) in [(models::lp(integer), "integers"), (models::wide(10_000), "100000")] {
        let refusal = jobs::refusal(&gateway.api(), request(model)).await;
        let message = refusal.message();
        assert!(
            message.contains("options.return_sensitivity") && message.contains(what),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_start_with_an_unknown_variable_is_refused_with_its_field() {
    let gateway = Gateway::embedded(&[]).await;
    let text = "Maximize\n x\nSubject To\n c: x <= 3.5\nGeneral\n x\nEnd";
    let start = |name: &str| StartingPoint {
        variable_names: vec![name.to_owned()],
        values: vec![3.0],
        ..StartingPoint::default()
    };
    let request =
        |name| SubmitJobRequest { starts: vec![start(name)], ..jobs::request(models::lp(text)) };
    let refusal = jobs::refusal(&gateway.api(), request("y")).await;
    assert!(refusal.message().contains("starts[0].variable_names[0]"), "{refusal:?}");
    assert_eq!(jobs::solve(&gateway.api(), request("x")).await.objective(), 3.0);
}

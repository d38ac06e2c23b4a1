//! Where a solve begins, read from what `--json` printed of an earlier one.

use std::{fs::File, io::Read, path::Path};

use serde_json::Value;
use solvemesh_client::v1::{Basis, BasisStatus, Start};

/// A larger file is not read: no gateway would take it.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads the basis of an earlier solve, or else its values.
pub(super) fn read(file: &Path) -> Result<Start, String> {
    let mut text = String::new();
    let read = File::open(file)
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(format!("is larger than {MAX_FILE_BYTES} bytes"));
    }
    parse(&text)
}

fn parse(text: &str) -> Result<Start, String> {
    let object: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if let Some(basis) = object.get("basis").filter(|basis| !basis.is_null()) {
        let statuses = |key: &str| statuses(basis.get(key), key);
        let (variables, constraints) = (statuses("variables")?, statuses("constraints")?);
        return Ok(Start { basis: Some(Basis { variables, constraints }), ..Start::default() });
    }
    let Some(values) = object.get("values").and_then(Value::as_object) else {
        return Err("has neither basis nor values".to_owned());
    };
    let number = |(name, value): (&String, &Value)| {
        let value = value.as_f64().ok_or_else(|| format!("the value of {name} is no number"))?;
        Ok((name.clone(), value))
    };
    let values: Result<Vec<_>, String> = values.iter().map(number).collect();
    let (variable_names, values) = values?.into_iter().unzip();
    Ok(Start { variable_names, values, ..Start::default() })
}

fn statuses(of: Option<&Value>, key: &str) -> Result<Vec<i32>, String> {
    let of = of.and_then(Value::as_array).ok_or_else(|| format!("basis.{key} is no list"))?;
    let status = |value: &Value| {
        let name = format!("BASIS_STATUS_{}", value.as_str()?);
        BasisStatus::from_str_name(&name).map(Into::into)
    };
    let known = |value: &Value| status(value).ok_or_else(|| format!("{value} is no status"));
    of.iter().map(known).collect()
}

/// The name of a status, as `--json` prints it.
pub(super) fn name(status: i32) -> &'static str {
    let name = BasisStatus::try_from(status).unwrap_or_default().as_str_name();
    name.trim_start_matches("BASIS_STATUS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_goes_before_values() {
        let text = r#"{"values": {"x": 1.0}, "basis": {"variables": ["BASIC"], "constraints": ["UPPER"]}}"#;
        let (basic, upper) = (BasisStatus::Basic.into(), BasisStatus::Upper.into());
        let basis = Basis { variables: vec![basic], constraints: vec![upper] };
        assert_eq!(parse(text), Ok(Start { basis: Some(basis), ..Start::default() }));
        assert_eq!((name(basic), name(upper)), ("BASIC", "UPPER"));
    }

    #[test]
    fn values_are_told_by_name() {
        let start = parse(r#"{"values": {"x": 1.5, "y": 2}}"#);
        let expected = Start {
            variable_names: vec!["x".into(), "y".into()],
            values: vec![1.5, 2.0],
            ..Start::default()
        };
        assert_eq!(start, Ok(expected));
    }

    #[test]
    fn what_is_no_start_is_told() {
        for (text, what) in [
            ("nonsense", "line 1"),
            ("{}", "neither"),
            (r#"{"values": {"x": null}}"#, "x is no number"),
            (r#"{"basis": {"variables": ["TOP"], "constraints": []}}"#, "TOP"),
            (r#"{"basis": {"variables": []}}"#, "basis.constraints"),
        ] {
            let told = parse(text).expect_err("it is none");
            assert!(told.contains(what), "{told}");
        }
    }
}

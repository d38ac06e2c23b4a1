//! Compiles `native/new_handler.c`, which says why it is not in Rust. With the feature `system-highs`,
//! checks the version of the system's HiGHS: highs-sys takes any from 1.5 on.

use std::{env, process::Command};

#[path = "src/highs/version.rs"]
mod version;

fn main() {
    println!("cargo:rerun-if-changed=native");
    cc::Build::new().file("native/new_handler.c").compile("solvemesh_new_handler");
    if env::var_os("CARGO_FEATURE_SYSTEM_HIGHS").is_some() {
        check_system_highs();
        link_cpp_runtime();
    }
}

/// # Panics
///
/// When pkg-config finds no HiGHS of the series that is supported. highs-sys would then compile its
/// own without a word, or use one with which results are wrong.
fn check_system_highs() {
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program).args(["--modversion", "highs"]).output();
    let output = output.unwrap_or_else(|error| panic!("pkg-config: {error}"));
    let found = String::from_utf8_lossy(&output.stdout);
    let series = version::SERIES;
    assert!(
        found.trim().strip_prefix(series).is_some_and(|patch| patch.starts_with('.')),
        "the feature system-highs needs HiGHS {series}, and pkg-config finds {:?}; without the \
         feature, HiGHS is compiled",
        found.trim()
    );
}

/// For a static HiGHS, whose pkg-config file does not name it. A shared one brings its own.
fn link_cpp_runtime() {
    let is_apple = env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor == "apple");
    println!("cargo:rustc-link-lib={}", if is_apple { "c++" } else { "stdc++" });
}

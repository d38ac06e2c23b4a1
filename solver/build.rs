//! Compiles `native/cpp_runtime.c`, which says why it is not in Rust. With the feature `system-highs`,
//! checks the version of the system's HiGHS: highs-sys takes any from 1.5 on. With the variable
//! `SOLVEMESH_STATIC_LIBSTDCXX=1`, lets programs contain the C++ runtime.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "src/highs/version.rs"]
mod version;

fn main() {
    println!("cargo:rerun-if-changed=native");
    println!("cargo:rerun-if-env-changed={STATIC_LIBSTDCXX}");
    let is_static = env::var_os(STATIC_LIBSTDCXX).is_some_and(|value| value == "1");
    let is_system = env::var_os("CARGO_FEATURE_SYSTEM_HIGHS").is_some();
    // A shared HiGHS brings a C++ runtime of its own: there would be two in one process.
    assert!(!is_static || !is_system, "{STATIC_LIBSTDCXX}=1 excludes the feature system-highs");
    let mut native = cc::Build::new();
    if is_static {
        native.define(STATIC_LIBSTDCXX, None);
        prefer_static_cpp_runtime();
    }
    native.file("native/cpp_runtime.c").compile("solvemesh_cpp_runtime");
    if is_system {
        check_system_highs();
        link_cpp_runtime();
    }
}

/// For programs that are to run on systems whose libstdc++ is older than that of this machine, or that
/// have none.
const STATIC_LIBSTDCXX: &str = "SOLVEMESH_STATIC_LIBSTDCXX";

/// Has the linker search a folder first that contains `libstdc++.a` and no `libstdc++.so`, so that it
/// takes the archive for the `-lstdc++` of highs-sys. (`-static-libstdc++` has no effect on a library
/// that is named.) In this copy of the archive, the function that `native/cpp_runtime.c` replaces is
/// weak: linked as it is, there would be two.
///
/// # Panics
///
/// If the C++ compiler has no `libstdc++.a`, or if there is no objcopy.
fn prefer_static_cpp_runtime() {
    let compiler = cc::Build::new().cpp(true).get_compiler();
    let output = compiler.to_command().arg("-print-file-name=libstdc++.a").output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", compiler.path().display()));
    // Without such a file it prints the name as it is.
    let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    assert!(
        library.is_absolute() && library.exists(),
        "{STATIC_LIBSTDCXX}=1: {} has no libstdc++.a",
        compiler.path().display()
    );
    let folder =
        Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("static-libstdc++");
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    println!("cargo:rerun-if-env-changed=OBJCOPY");
    println!("cargo:rerun-if-changed={}", library.display());
    let objcopy = env::var_os("OBJCOPY").unwrap_or_else(|| "objcopy".into());
    let weaken = ["--weaken-symbol", "_ZSt15get_new_handlerv"];
    let done = Command::new(&objcopy)
        .args(weaken)
        .args([library.as_path(), &folder.join("libstdc++.a")])
        .status()
        .unwrap_or_else(|error| panic!("{}: {error}", objcopy.display()));
    assert!(done.success(), "{}: {done}", objcopy.display());
    println!("cargo:rustc-link-search=native={}", folder.display());
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

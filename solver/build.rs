//! Compiles `native/new_handler.c`, which says why it is not in Rust.

fn main() {
    println!("cargo:rerun-if-changed=native");
    cc::Build::new().file("native/new_handler.c").compile("solvemesh_new_handler");
}

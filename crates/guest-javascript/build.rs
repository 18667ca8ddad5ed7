//! The guest's own stack, in its linear memory. It must be larger than what the host's limit on the
//! machine stack (8 MiB at most) can be spent on, or running out of it would look like anything.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-zstack-size=2097152");
}

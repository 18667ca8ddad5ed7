pub(crate) fn index(_: &crate::SystemContext, _: &crate::Table, _: &crate::Index, _: bool) -> String {
    String::new()
}

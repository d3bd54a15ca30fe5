//! What the parts of a file have in common.

/// Keys without a value are not written.
macro_rules! written {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $kind:ty,)* }) => {
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        $(#[$meta])*
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $kind,)*
        }
    };
}
pub(super) use written;

//! Imports among the policy's files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Exception, Module, Result};

thread_local! {
    static MISSING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The texts that no module has been made of yet.
#[derive(Clone)]
pub(crate) struct Modules(Rc<RefCell<BTreeMap<String, String>>>);

impl Modules {
    pub(crate) fn of(texts: BTreeMap<String, String>) -> Self {
        Self(Rc::new(RefCell::new(texts)))
    }
}

/// The module that was imported and is not there. It is told once.
pub(crate) fn missing() -> Option<String> {
    MISSING.take()
}

impl Resolver for Modules {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if !name.starts_with("./") && !name.starts_with("../") {
            let fault = format!(
                "{name} is not a file: import files of the policy's directory by \"./\", bundle packages first"
            );
            return Err(Exception::throw_type(ctx, &fault));
        }
        let mut path: Vec<&str> = base.split('/').collect();
        path.pop();
        for part in name.split('/') {
            match part {
                "." | "" => {}
                ".." if path.pop().is_none() => {
                    return Err(Exception::throw_type(ctx, &format!("{name} lies outside of the policy's directory")));
                }
                ".." => {}
                part => path.push(part),
            }
        }
        Ok(path.join("/"))
    }
}

impl Loader for Modules {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let Some(text) = self.0.borrow_mut().remove(name) else {
            MISSING.set(Some(name.to_owned()));
            return Err(Exception::throw_reference(ctx, &format!("there is no {name}")));
        };
        Module::declare(ctx.clone(), name, text)
    }
}

//! How much lies within a value: what bounds it.
//!
//! Values lie in each other as the props of services that go with them, and code is started with
//! values and services in its turn. What is shared is counted as often as it is met: so long would
//! a walk over all of it take, and so much does it become where it is written out.

use super::{Capability, Props, Service, Target, Value, What};
use crate::line::Refused;

/// How deep values may lie in each other: each is let go inside the one that holds it.
pub(super) const DEPTH_MAX: u32 = 16;
/// Capabilities and values within a value, in all.
const COUNT_MAX: u32 = 10_000;
/// Bytes that a capability takes beside what lies within it.
const CAPABILITY_BYTES: u64 = 64;

/// The size of what lies within something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// How deep values lie in each other.
    pub depth: u32,
    /// How many values and capabilities there are.
    pub count: u32,
    /// How many bytes they have.
    pub bytes: u64,
}

impl Size {
    /// Both, side by side.
    pub fn and(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            count: self.count.saturating_add(other.count),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// Something of so many bytes that holds it.
    pub fn within(self, bytes: usize) -> Self {
        let bytes = self.bytes.saturating_add(bytes as u64);
        let (depth, count) = (self.depth.saturating_add(1), self.count.saturating_add(1));
        Self { depth, count, bytes }
    }

    /// Refuses what is too deep, or is too much.
    pub fn check(self) -> Result<Self, Refused> {
        if self.depth > DEPTH_MAX {
            return Err(Refused::wrong(format!(
                "Services within the props of services, or the `env` of loaded workers, lie \
                 {DEPTH_MAX} deep: too deep."
            )));
        }
        if self.count > COUNT_MAX {
            return Err(Refused::wrong(format!(
                "More than {COUNT_MAX} values and services lie within each other in one value."
            )));
        }
        Ok(self)
    }
}

impl FromIterator<Size> for Size {
    fn from_iter<I: IntoIterator<Item = Self>>(sizes: I) -> Self {
        sizes.into_iter().fold(Self::default(), Self::and)
    }
}

impl Capability {
    /// The size of it.
    pub fn size(&self) -> Size {
        let within = match &self.what {
            What::Service(service) => service.size(),
            What::Binding { .. } | What::Export(_) => Size::default(),
        };
        let count = within.count.saturating_add(1);
        Size { count, bytes: within.bytes.saturating_add(CAPABILITY_BYTES), ..within }
    }
}

impl Service {
    /// The size of what lies within it. Code answers for its own bytes.
    pub fn size(&self) -> Size {
        let props = match &self.props {
            Props::None => Size::default(),
            Props::Json(json) => Size { bytes: json.len() as u64, ..Size::default() },
            Props::Value(value) => value.size(),
        };
        let depth = match &self.target {
            Target::Named(_) => 0,
            Target::Code(code) => code.depth,
            Target::Provided(provider) => provider.depth(),
        };
        let bytes = self.entrypoint.as_deref().map_or(0, str::len) as u64;
        props.and(Size { depth, count: 0, bytes })
    }
}

/// How deep values lie in each other in code that is started with these.
pub fn depth_of<'a>(env: Option<&Value>, services: impl IntoIterator<Item = &'a Service>) -> u32 {
    let env = env.map_or(0, |env| env.size().depth);
    services.into_iter().map(|service| service.size().depth.saturating_add(1)).fold(env, u32::max)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bindery_wire::TenantId;
    use bindery_wire::limits::Lower;
    use bytes::Bytes;

    use super::*;
    use crate::code::Code;
    use crate::line::test_code;

    fn service(target: Target, props: Props) -> Capability {
        let service = Service { target, entrypoint: None, props, limits: Lower::NONE };
        Capability { tenant: TenantId(1), what: What::Service(Arc::new(service)) }
    }

    fn value(held: Vec<Capability>) -> Result<Value, Refused> {
        Value::new(1, Bytes::from_static(b"value"), held)
    }

    /// A worker that loads the next one with its own export in `env`, and so on, made a chain whose
    /// drop overflowed the stack.
    #[test]
    fn code_in_the_env_of_code_lies_only_so_deep() {
        let mut code = Arc::new(test_code());
        for _ in 0..DEPTH_MAX {
            let env = value(vec![service(Target::Code(code.clone()), Props::None)]);
            let env = env.expect("not too deep");
            let depth = depth_of(Some(&env), []);
            code = Arc::new(Code { env: Some(Arc::new(env)), depth, ..test_code() });
        }
        let refused = value(vec![service(Target::Code(code.clone()), Props::None)]);
        assert!(refused.is_err_and(|refused| refused.message.contains("16 deep")));
        let What::Service(last) = service(Target::Code(code), Props::None).what else { return };
        assert_eq!(depth_of(None, [&*last]), DEPTH_MAX + 1);
    }

    /// Values that are held twice at each level are a small thing to hold and a large one to write.
    #[test]
    fn what_is_shared_counts_as_often_as_it_is_met() {
        let held = |of: &Arc<Value>| {
            let props = Props::Value(of.clone());
            std::iter::repeat_n(service(Target::Named("w".into()), props), 30).collect::<Vec<_>>()
        };
        let one = Arc::new(value(vec![]).expect("small"));
        let two = Arc::new(value(held(&one)).expect("small"));
        assert_eq!(two.size(), Size { depth: 2, count: 61, bytes: 5 + 30 * (64 + 5) });
        let three = Arc::new(value(held(&two)).expect("within the bound"));
        let refused = value(held(&three));
        assert!(refused.is_err_and(|refused| refused.message.contains("More than 10000")));
    }
}

//! Who a cordon is: nobody, with no capability.
//!
//! A host that runs as root gives each cordon a user of its own, so that the kernel lets no
//! cordon signal, trace or slow another one. A host that is not root can only stay who it is.

use rustix::io;
use rustix::process::{Gid, Uid, geteuid, getpid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Users from here on belong to nobody by convention, as many as there can be processes.
const USER_FIRST: u32 = 0x7000_0000;

/// The user that owns nothing, for containers that do not know the others.
const NOBODY: u32 = 65_534;

/// Stops being root, but keeps the capabilities that the namespaces need.
pub(super) fn leave() -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    let own = USER_FIRST + getpid().as_raw_nonzero().get().unsigned_abs();
    become_user(own).or_else(|_| become_user(NOBODY))?;
    let permitted = capabilities(None)?.permitted;
    set_capabilities(
        None,
        CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() },
    )
}

fn become_user(id: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)
}

/// Gives every capability up, those over its own namespaces included.
pub(super) fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

//! A cordon's own views of users, mounts, network and the rest.
//!
//! The user namespace comes first, because it is what lets a process that is not root have the
//! others. Each is tried by itself: a container's host may grant some of them only.

use std::fs;

use bindery_wire::control::part;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, getegid, geteuid, set_dumpable_behavior};
use rustix::thread::UnshareFlags;

use crate::sys;

/// The user's and the group's number inside, for which nobody has a name.
const INSIDE: u32 = 65_534;

/// Enters each namespace and says which were granted. Mounts are `disk`'s part.
pub(super) fn enter() -> Vec<(&'static str, Result<(), String>)> {
    let rest = [
        (part::NETWORK_NAMESPACE, UnshareFlags::NEWNET),
        (part::IPC_NAMESPACE, UnshareFlags::NEWIPC),
        (part::UTS_NAMESPACE, UnshareFlags::NEWUTS),
        (part::CGROUP_NAMESPACE, UnshareFlags::NEWCGROUP),
    ];
    let mut outcomes = vec![(part::USER_NAMESPACE, user())];
    outcomes.extend(rest.map(|(part, flag)| (part, unshare(flag))));
    outcomes
}

/// Leaves one of the host's namespaces for a new one.
pub(super) fn unshare(flag: UnshareFlags) -> Result<(), String> {
    sys::unshare(flag).map_err(refusal)
}

fn user() -> Result<(), String> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER)?;
    // Only the owner of its own files in /proc may write the maps.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(|why| why.to_string())?;
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{INSIDE} {group} 1"))?;
    write("uid_map", format!("{INSIDE} {user} 1"))
}

fn write(file: &str, text: String) -> Result<(), String> {
    let path = format!("/proc/self/{file}");
    fs::write(&path, text).map_err(|why| format!("granted, but {path}: {why}"))
}

/// Why the kernel refused, with what the operator can change where that is known.
fn refusal(why: Errno) -> String {
    let advice = match why {
        Errno::NOSYS | Errno::INVAL => "; this kernel does not have it",
        Errno::NOSPC | Errno::USERS => "; raise sysctl user.max_user_namespaces",
        _ if reads("/proc/sys/kernel/unprivileged_userns_clone", "0") => {
            "; set sysctl kernel.unprivileged_userns_clone=1"
        }
        _ if reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") => {
            "; allow `userns` in an AppArmor profile of this program, or set sysctl \
             kernel.apparmor_restrict_unprivileged_userns=0"
        }
        _ => "; it takes a user namespace, which a container's own sandbox may refuse",
    };
    format!("{why}{advice}")
}

fn reads(path: &str, value: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
}

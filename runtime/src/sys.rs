//! The one file of this crate that may contain `unsafe`: what the engine and the kernel offer in
//! no safe form, each as a small function with a safe signature.
#![expect(unsafe_code, reason = "the one file of this crate that may")]

use std::cell::Cell;
use std::ffi::c_void;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use deno_core::v8;
use rustix::io::{self, Errno};
use rustix::process::Signal;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tokio::io::unix::AsyncFd;

use crate::isolate::{memory, modules};

// ---- Memory ------------------------------------------------------------------------------------

/// Parameters of an isolate whose heap and buffers `budget` bounds.
pub(crate) fn create_params(budget: &Arc<memory::Budget>) -> v8::CreateParams {
    // JUSTIFICATION: the engine takes its allocator as a table of C functions.
    // SAFETY: the handle is an `Arc` that the engine owns until it calls `buffers_drop`, once.
    let allocator = unsafe { v8::new_rust_allocator(Arc::into_raw(budget.clone()), &BUFFERS) };
    v8::CreateParams::default()
        .heap_limits(0, budget.bytes_max())
        .set_max_young_generation_size_in_bytes(memory::YOUNG_BYTES_MAX)
        .array_buffer_allocator(allocator.make_shared())
        .allow_atomics_wait(false)
}

static BUFFERS: v8::RustAllocatorVtable<memory::Budget> = v8::RustAllocatorVtable {
    allocate: buffers_allocate,
    allocate_uninitialized: buffers_allocate_uninitialized,
    free: buffers_free,
    drop: buffers_drop,
};

unsafe extern "C" fn buffers_allocate(budget: &memory::Budget, bytes: usize) -> *mut c_void {
    if !budget.reserve(bytes) {
        return std::ptr::null_mut();
    }
    // JUSTIFICATION: the engine frees a buffer by address and length alone.
    // SAFETY: both arguments are sizes, neither is 0.
    let buffer = unsafe { libc::calloc(1, bytes.max(1)) };
    if buffer.is_null() {
        budget.release(bytes);
    }
    buffer
}

unsafe extern "C" fn buffers_allocate_uninitialized(
    budget: &memory::Budget,
    bytes: usize,
) -> *mut c_void {
    if !budget.reserve(bytes) {
        return std::ptr::null_mut();
    }
    // JUSTIFICATION: as in `buffers_allocate`.
    // SAFETY: the argument is a size other than 0.
    let buffer = unsafe { libc::malloc(bytes.max(1)) };
    if buffer.is_null() {
        budget.release(bytes);
    }
    buffer
}

unsafe extern "C" fn buffers_free(budget: &memory::Budget, buffer: *mut c_void, bytes: usize) {
    budget.release(bytes);
    // JUSTIFICATION: as in `buffers_allocate`.
    // SAFETY: the engine gives back what one of the functions above returned, once.
    unsafe { libc::free(buffer) }
}

unsafe extern "C" fn buffers_drop(budget: *const memory::Budget) {
    // JUSTIFICATION: takes back the `Arc` that `create_params` gave away.
    // SAFETY: the engine calls this once, with that pointer.
    drop(unsafe { Arc::from_raw(budget) });
}

/// Has [`memory::after_collection`] called on the isolate's thread after each full collection,
/// and whenever `watch_memory` asks.
pub(crate) fn watch_collections(isolate: &mut v8::Isolate) {
    let full = v8::GCType::kGCTypeMarkSweepCompact;
    isolate.add_gc_epilogue_callback(after_collection, std::ptr::null_mut(), full);
}

unsafe extern "C" fn after_collection(
    isolate: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    _: *mut c_void,
) {
    measure(isolate);
}

/// Asks a running isolate, from any thread, to have its memory looked at.
pub(crate) fn watch_memory(isolate: &v8::IsolateHandle) {
    isolate.request_interrupt(interrupted, std::ptr::null_mut());
}

unsafe extern "C" fn interrupted(isolate: v8::UnsafeRawIsolatePtr, _: *mut c_void) {
    memory::interrupted();
    measure(isolate);
}

fn measure(isolate: v8::UnsafeRawIsolatePtr) {
    // JUSTIFICATION: the engine names the isolate by pointer in these callbacks.
    // SAFETY: it calls them on the isolate's thread while the isolate lives.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    // The statistics leave out memories of WebAssembly; the sum that a change of nothing returns
    // has them.
    let external = isolate.adjust_amount_of_external_allocated_memory(0);
    memory::measured(&isolate.get_heap_statistics(), usize::try_from(external).unwrap_or(0));
}

/// Gives memory that the allocator keeps for later back to the system.
pub(crate) fn trim() {
    // JUSTIFICATION: no safe wrapper asks the C library's allocator.
    // SAFETY: it takes its own locks and no pointer.
    unsafe { libc::malloc_trim(0) };
}

// ---- Modules -----------------------------------------------------------------------------------

/// Finds the module that an import names, while a graph is linked.
pub(crate) fn resolve_module<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
    referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    // JUSTIFICATION: the engine enters a callback with a context and no scope.
    // SAFETY: the context is the one that is entered.
    v8::callback_scope!(unsafe scope, context);
    modules::resolve_static(scope, specifier, referrer)
}

/// Gives a module that is made of a value its export.
pub(crate) fn evaluate_synthetic<'s>(
    context: v8::Local<'s, v8::Context>,
    module: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Value>> {
    // JUSTIFICATION: as in `resolve_module`.
    // SAFETY: as in `resolve_module`.
    v8::callback_scope!(unsafe scope, context);
    modules::set_exports(scope, module)
}

/// Fills `import.meta` of a tenant's module.
pub(crate) unsafe extern "C" fn fill_import_meta(
    context: v8::Local<v8::Context>,
    module: v8::Local<v8::Module>,
    meta: v8::Local<v8::Object>,
) {
    // JUSTIFICATION: as in `resolve_module`.
    // SAFETY: as in `resolve_module`.
    v8::callback_scope!(unsafe scope, context);
    modules::fill_import_meta(scope, module, meta);
}

/// Settles the promise of a compilation of WebAssembly. The engine's own callback expects that
/// to succeed, which it does not while the isolate is being terminated.
pub(crate) unsafe extern "C" fn settle_wasm(
    _isolate: v8::UnsafeRawIsolatePtr,
    context: v8::Local<v8::Context>,
    resolver: v8::Local<v8::PromiseResolver>,
    result: v8::Local<v8::Value>,
    success: v8::WasmAsyncSuccess,
) {
    // JUSTIFICATION: as in `resolve_module`.
    // SAFETY: as in `resolve_module`.
    v8::callback_scope!(unsafe scope, context);
    let _ = match success {
        v8::WasmAsyncSuccess::Success => resolver.resolve(scope, result),
        v8::WasmAsyncSuccess::Fail => resolver.reject(scope, result),
    };
}

/// Whether WebAssembly may be compiled from bytes at run time: only while modules are evaluated.
pub(crate) extern "C" fn allow_wasm(_: v8::Local<v8::Context>, _: v8::Local<v8::String>) -> bool {
    modules::is_starting()
}

// ---- Clocks ------------------------------------------------------------------------------------

/// The CPU clock of one thread, readable by others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuClock(libc::clockid_t);

impl CpuClock {
    /// The clock of the calling thread.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let mut clock = 0;
        // JUSTIFICATION: no safe wrapper names another thread's clock.
        // SAFETY: the thread is the caller, and the pointer is to a local.
        let result = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        (result == 0).then_some(Self(clock))
    }

    /// CPU time that the thread has used, in nanoseconds; 0 once it has ended.
    pub(crate) fn now_ns(self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // JUSTIFICATION: no safe wrapper reads a clock by a number made at run time.
        // SAFETY: the pointer is to a local; a clock that is gone is an error, not a fault.
        let result = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        if result != 0 {
            return 0;
        }
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0)
    }
}

// ---- Priority ----------------------------------------------------------------------------------

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Only when nobody else wants the processor.
    pub(crate) idle: bool,
    /// Its nice value.
    pub(crate) nice: i32,
    /// How long it would like to run without a pause; 0 for what is usual. Whoever asks for less
    /// and is due is let in at once. Kernels before 6.12 do not look at it.
    pub(crate) slice_ns: u64,
}

/// What the kernel reads: the first form of its structure, which all versions know.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Has the calling thread scheduled so; false if the kernel denies it.
pub(crate) fn schedule(how: Schedule) -> bool {
    let policy = if how.idle { libc::SCHED_IDLE } else { libc::SCHED_OTHER };
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).unwrap_or(0),
        policy: policy.cast_unsigned(),
        flags: 0,
        nice: how.nice,
        priority: 0,
        runtime: how.slice_ns,
        deadline: 0,
        period: 0,
    };
    // JUSTIFICATION: neither the C library nor any safe wrapper has this call.
    // SAFETY: 0 is the calling thread, and the kernel reads `size` bytes of a local.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) == 0 }
}

// ---- Line --------------------------------------------------------------------------------------

/// Lets a socket be waited for beside the engine's own work. `None` if the kernel refuses.
pub(crate) fn readable(socket: Arc<OwnedFd>) -> Option<AsyncFd<Arc<OwnedFd>>> {
    // JUSTIFICATION: the safe form was found to let a type lie about its descriptor.
    // SAFETY: an `Arc` of an `OwnedFd` always names the descriptor that it keeps open.
    unsafe { AsyncFd::register(socket) }.ok()
}

// ---- Death notes -------------------------------------------------------------------------------

thread_local! {
    static ISOLATE: Cell<u64> = const { Cell::new(0) };
}

static NOTES: AtomicI32 = AtomicI32::new(-1);

/// Says whose code the calling thread runs: what a death note of this thread names.
pub(crate) fn set_thread_isolate(number: u64) {
    ISOLATE.set(number);
}

/// Writes the number of the isolate whose thread dies to `notes`, and then lets it die: for every
/// signal with which the engine, the allocator or the processor ends a process.
pub(crate) fn note_deaths(notes: RawFd) {
    NOTES.store(notes, Ordering::Relaxed);
    let signals = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    for signal in signals {
        // JUSTIFICATION: no safe wrapper installs a handler for a fault.
        // SAFETY: all zeros is a valid `sigaction`; its fields are set below.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note_death as *const () as usize;
        // The stack may be what overflowed; the default comes back for the second delivery.
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        // JUSTIFICATION: as above.
        // SAFETY: the handler calls only what may be called in one.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

extern "C" fn note_death(signal: libc::c_int) {
    let note = ISOLATE.get().to_le_bytes();
    // JUSTIFICATION: only calls that are safe in a handler may be made here.
    // SAFETY: `write` reads eight bytes of a local array.
    unsafe { libc::write(NOTES.load(Ordering::Relaxed), note.as_ptr().cast(), note.len()) };
    // JUSTIFICATION: as above.
    // SAFETY: the disposition is the default again, so this ends the process.
    unsafe { libc::raise(signal) };
}

/// Ends the process at once, without handlers of the engine's that wait for its threads.
pub(crate) fn exit_now(code: i32) -> ! {
    // JUSTIFICATION: `std::process::exit` runs destructors of the engine while isolates run.
    // SAFETY: it takes no pointer and does not return.
    unsafe { libc::_exit(code) }
}

// ---- Sandbox -----------------------------------------------------------------------------------

/// Closes every descriptor but standard input, output and error.
pub(crate) fn close_inherited() -> std::io::Result<()> {
    // JUSTIFICATION: no wrapper closes descriptors that no Rust value owns.
    // SAFETY: called before anything in this process has opened a descriptor, so none that is
    // closed has an owner. The call takes no pointer.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if closed == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Leaves the namespaces that `flags` names for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    if flags.contains(UnshareFlags::FILES) {
        return Err(Errno::INVAL);
    }
    // JUSTIFICATION: the safe wrapper is deprecated, because one flag is unsafe.
    // SAFETY: that flag, which gives a thread descriptors of its own, is refused above.
    unsafe { unshare_unsafe(flags) }
}

/// Makes `signal` do nothing.
pub(crate) fn ignore_signal(signal: Signal) {
    // JUSTIFICATION: no safe wrapper sets a disposition.
    // SAFETY: SIG_IGN is no function, so nothing ever runs in a handler.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_IGN) };
}

/// Makes the system call `number` with arguments that no call accepts, and returns the error.
///
/// Only for calls that fail on them: each takes a pointer, descriptor, command or flags that -1
/// is not.
pub(crate) fn refused_call(number: libc::c_long) -> std::io::Error {
    // JUSTIFICATION: calls that are to be denied have no wrappers.
    // SAFETY: -1 is no address of this process, so the kernel reads and writes none of it.
    let _ = unsafe { libc::syscall(number, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) };
    std::io::Error::last_os_error()
}

/// Starts a process that ends at once, and waits for it.
pub(crate) fn fork_and_end() -> std::io::Result<()> {
    // JUSTIFICATION: the standard library starts programs only, and opens pipes first.
    // SAFETY: the child calls nothing but `_exit`, which is safe after a fork in any thread.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(std::io::Error::last_os_error()),
        0 => {
            // JUSTIFICATION: `std::process::exit` runs the parent's exit handlers.
            // SAFETY: it takes no pointer and does not return.
            unsafe { libc::_exit(0) }
        }
        _ => {
            // JUSTIFICATION: no `Child` exists for a bare fork.
            // SAFETY: the status pointer may be null.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            Ok(())
        }
    }
}

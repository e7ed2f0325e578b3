//! Timers: `setTimeout`, `setInterval` and `scheduler.wait`.
//!
//! The host keeps the clock, and time that JavaScript sees moves when a timer fires. A timer
//! belongs to the event that started it, does not keep it alive, and ends with it. Timers fire in
//! the order of their times, those of one time in the order of their starts; microtasks run
//! between two. An exception goes to the log and harms no other timer. How many one isolate may
//! have is a limit; none starts in global scope.
//!
//! A delay is at least a millisecond, and a number that is none, or that no clock holds, counts
//! as that. A callback must be a function: code is never made from a string.

//! Web Crypto: the engine's algorithms behind classes of our own.
//!
//! Nothing works in global scope, randomness included. The work runs on threads where no watchdog
//! can end it, so its cost is bounded before it begins: PBKDF2 in iterations and in derived
//! bits, RSA in the size of the modulus. Parameters are read once.
//!
//! Behaviour is that of workerd but for these, on purpose:
//! - A key can be cloned within its isolate, and stays as closed as it was.
//! - Algorithms that only workerd has (`MD5`, `DigestStream` and the like) are absent.

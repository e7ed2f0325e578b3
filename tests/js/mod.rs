//! What a worker can do in JavaScript: the case files, and what takes more than one request.

mod cases;
mod smoke;

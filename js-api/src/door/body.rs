//! Bodies on their way through the door, within the credit that the reader gave.

use bindery_wire::frame::{
    BODIES_COUNT_MAX, BODY_COUNT_MAX, BODY_INLINE_BYTES_MAX, Body, CHUNK_BYTES_MAX, Up,
};
use bindery_wire::value::Attached;

use super::{Door, Error};

/// One body on its way out.
pub struct UpBody {
    /// The event that it belongs to.
    pub event: u32,
    /// Where its bytes come from.
    pub source: Source,
    /// How many more bytes may be sent.
    pub credit: u32,
    /// How many bytes were sent.
    pub sent: u64,
}

impl UpBody {
    /// Whether the dispatcher has to give credit before the body goes on.
    pub(super) fn waits(&self) -> bool {
        matches!(self.source, Source::Bytes { .. }) || self.credit == 0
    }
}

/// One body on its way in.
pub struct DownBody {
    /// The event that it belongs to.
    pub event: u32,
    /// Bytes that were asked for and have not come.
    pub credit: u64,
}

/// Where the bytes of a body come from.
pub enum Source {
    /// All of it is here, from `at` on: JavaScript is not asked again.
    Bytes {
        /// The bytes.
        bytes: Vec<u8>,
        /// How many of them are sent.
        at: usize,
    },
    /// JavaScript writes chunks while there is credit.
    Script,
}

impl Door {
    /// Begins a body, of which so many bytes may be sent before anybody reads it.
    pub(crate) fn begin_body(
        &mut self,
        event: u32,
        source: Source,
        credit: u32,
    ) -> Result<u32, Error> {
        let of_event = || self.up.values().filter(|body| body.event == event).count();
        let all = self.up.len();
        if all >= BODIES_COUNT_MAX || (all >= BODY_COUNT_MAX && of_event() >= BODY_COUNT_MAX) {
            return Err(Error::TooManyBodies);
        }
        let id = self.new_body();
        self.up.insert(id, UpBody { event, source, credit, sent: 0 });
        Ok(id)
    }

    /// Forgets the bodies that were to go with what is not sent: who writes them is told.
    pub(super) fn forget_bodies(&mut self, attached: &[Attached<'_>]) {
        for attached in attached {
            if let Attached::Body(Body::Stream { body, .. }) = attached {
                self.up.remove(body);
            }
        }
    }

    /// Lets a body that was received go elsewhere, unread.
    pub(crate) fn pass(&mut self, event: u32, id: u32) -> Result<(), Error> {
        match self.down.get(&id) {
            None => Err(Error::NoBody),
            Some(body) if body.event != event => Err(Error::OtherEvent),
            Some(_) => {
                self.down.remove(&id);
                Ok(())
            }
        }
    }

    /// Sends what goes with `bytes`, and of them what the credit allows: the rest is kept and follows
    /// by itself. Returns the number of the body if something is left, or 0.
    pub(crate) fn send_whole(
        &mut self,
        event: u32,
        (bytes, credit): (&[u8], u32),
        say: impl FnOnce(&mut Self, Body<'_>) -> Result<(), Error>,
    ) -> Result<u32, Error> {
        if bytes.len() <= BODY_INLINE_BYTES_MAX {
            return say(self, Body::Inline(bytes)).map(|()| 0);
        }
        let id = self.begin_body(event, Source::Script, credit)?;
        let length = Some(bytes.len() as u64);
        if let Err(error) = say(self, Body::Stream { body: id, length }) {
            self.up.remove(&id);
            return Err(error);
        }
        let sent = self.send_some(id, bytes);
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            self.end_body(id);
            return Ok(0);
        }
        if let Some(body) = self.up.get_mut(&id) {
            body.source = Source::Bytes { bytes: rest.to_vec(), at: 0 };
        }
        Ok(id)
    }

    /// Sends what the credit allows of a body whose bytes are all here. True when it is done.
    pub fn pump(&mut self, id: u32) -> bool {
        let Some(body) = self.up.get_mut(&id) else { return true };
        let Source::Bytes { bytes, at } = &mut body.source else { return false };
        let (bytes, from) = (std::mem::take(bytes), *at);
        let rest = bytes.get(from..).unwrap_or_default();
        let sent = self.send_some(id, rest);
        if sent == rest.len() {
            self.end_body(id);
            return true;
        }
        if let Some(body) = self.up.get_mut(&id) {
            body.source = Source::Bytes { bytes, at: from + sent };
        }
        false
    }

    /// Sends what the credit allows of bytes that JavaScript writes, and says how many it took.
    pub(super) fn write_body(&mut self, id: u32, bytes: &[u8]) -> Result<u32, Error> {
        let max = self.limits.response_bytes_max;
        let body = self.up.get(&id).ok_or(Error::NoBody)?;
        let taken = bytes.len().min(body.credit as usize);
        if body.sent.saturating_add(taken as u64) > max {
            return Err(Error::ResponseTooLong { max });
        }
        Ok(u32::try_from(self.send_some(id, bytes)).unwrap_or(u32::MAX))
    }

    /// Sends what the credit allows of these bytes; how many that is.
    fn send_some(&mut self, id: u32, bytes: &[u8]) -> usize {
        let Some(body) = self.up.get_mut(&id) else { return 0 };
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(body.credit);
        body.credit -= taken;
        body.sent = body.sent.saturating_add(u64::from(taken));
        let taken = taken as usize;
        for part in bytes.get(..taken).unwrap_or_default().chunks(CHUNK_BYTES_MAX) {
            self.send(&Up::Chunk { body: id, bytes: part });
        }
        taken
    }

    fn end_body(&mut self, id: u32) {
        self.up.remove(&id);
        self.send(&Up::End { body: id, whole: true });
    }

    /// More credit for a body. True if JavaScript writes it, and must be told.
    pub fn credit(&mut self, id: u32, bytes: u32) -> bool {
        let Some(body) = self.up.get_mut(&id) else { return false };
        body.credit = body.credit.saturating_add(bytes);
        match body.source {
            Source::Script => true,
            Source::Bytes { .. } => false,
        }
    }
}

//! Lists of keys, page by page.

use bindery_logic::kv;

use super::{Kv, Namespace, Result, cursor};

/// Rows that are read at once: each may hold a small value.
const ROW_COUNT: usize = 200;
/// Rows that one page looks at. Those that have expired and are not swept yet count, so a page can
/// be short and still have a next one.
const LOOK_COUNT_MAX: usize = 5_000;

/// A key of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The second since 1970 from which on it is not there.
    pub expires_s: Option<u64>,
    /// What was said of it: a JSON text.
    pub metadata: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Keys, in the order of the bytes of their names.
    pub keys: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

impl Kv {
    /// The keys of a namespace that begin with `prefix`, from where a cursor stands.
    pub async fn list(
        &self,
        of: &Namespace,
        prefix: &str,
        limit: Option<i64>,
        from: Option<&str>,
    ) -> Result<Page> {
        kv::check_prefix(prefix)?;
        let count = kv::list_count(limit)?;
        let vault = &self.0.parts.vault;
        let mut after = from.map(|from| cursor::open(vault, of, from)).transpose()?;
        let (mut keys, mut looked) = (Vec::new(), 0);
        loop {
            // One more than wanted: whether there is a next page.
            let wanted = (count + 1 - keys.len()).min(ROW_COUNT);
            let place = (of.tenant, of.name.as_str());
            let rows = self.0.table.list(place, prefix, after.as_deref(), wanted).await?;
            let full = rows.len() >= wanted;
            looked += rows.len();
            let now_ms = self.0.now_ms();
            for (name, row) in rows {
                if !kv::is_over(row.expires_s, now_ms) {
                    if keys.len() == count {
                        return self.page(of, keys, after.as_deref());
                    }
                    let (expires_s, metadata) = (row.expires_s, row.metadata);
                    keys.push(Listed { name: name.clone(), expires_s, metadata });
                }
                after = Some(name);
            }
            if !full {
                return Ok(Page { keys, cursor: None });
            }
            if looked >= LOOK_COUNT_MAX {
                return self.page(of, keys, after.as_deref());
            }
        }
    }

    fn page(&self, of: &Namespace, keys: Vec<Listed>, last: Option<&str>) -> Result<Page> {
        let cursor = last.map(|last| cursor::seal(&self.0.parts.vault, of, last)).transpose()?;
        Ok(Page { keys, cursor })
    }
}

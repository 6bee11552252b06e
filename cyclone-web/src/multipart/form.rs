//! A whole form: its fields as arguments, its files in memory or on the disk.

use super::config::MultipartConfig;
use super::error::{MultipartError, MultipartErrorKind};
use super::upload::UploadedFile;
use super::{Multipart, Part};
use crate::arguments::{Arguments, MAX_ARGUMENTS};

/// A form that was read to its end.
#[derive(Debug, Default)]
pub(crate) struct MultipartForm {
    pub(crate) fields: Arguments,
    pub(crate) files: Vec<UploadedFile>,
}

/// Reads a form to its end. A file that was not chosen, with neither a name nor content, is left out.
pub(crate) async fn read(mut multipart: Multipart) -> Result<MultipartForm, MultipartError> {
    let mut form = MultipartForm::default();
    let mut memory = Memory::new(&multipart.config);
    while let Some(part) = multipart.next_part().await? {
        memory.take(part.header.size())?;
        if part.file_name().is_none() {
            let (name, value) = field(part, &memory).await?;
            memory.take(value.len() as u64)?;
            form.fields.push(&name, &value).map_err(|_too_many| {
                let limit = MAX_ARGUMENTS;
                MultipartError::new(MultipartErrorKind::TooManyParts { limit })
            })?;
            continue;
        }
        let in_memory = part.form.config.file_in_memory.min(memory.left);
        let file = part.save_beyond(in_memory).await?;
        if file.is_in_memory() {
            memory.take(file.len())?;
        }
        if !file.is_empty() || !file.file_name().is_empty() {
            form.files.push(file);
        }
    }
    Ok(form)
}

/// Reads a field, and no more of it than may be kept.
async fn field(mut part: Part<'_>, memory: &Memory) -> Result<(String, String), MultipartError> {
    let is_utf8 = part.header.is_utf8();
    let mut value = Vec::new();
    while let Some(bytes) = part.chunk().await? {
        if (value.len() + bytes.len()) as u64 > memory.left {
            return Err(memory.too_large());
        }
        value.extend_from_slice(&bytes);
    }
    let value = String::from_utf8(value).ok().filter(|_| is_utf8);
    let value = value.ok_or_else(|| MultipartError::new(MultipartErrorKind::NotUtf8))?;
    Ok((part.name().to_owned(), value))
}

/// The memory that is left for a form.
struct Memory {
    limit: u64,
    left: u64,
}

impl Memory {
    fn new(config: &MultipartConfig) -> Self {
        Self {
            limit: config.memory,
            left: config.memory,
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), MultipartError> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn too_large(&self) -> MultipartError {
        let limit = self.limit;
        MultipartError::new(MultipartErrorKind::FormTooLarge { limit })
    }
}

//! Smaller pictures of the articles.

/// Why a picture could not be made smaller.
#[derive(Debug)]
pub enum ResizeError {
    /// Width or height is zero.
    Empty,
    /// The picture has more pixels than fit into memory.
    TooLarge { pixels: u64 },
}

/// Pixels of a picture, row by row, four bytes each.
pub struct Frame {
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Shrink the picture so that neither side is longer than `side`; the proportions stay.
    pub fn shrink_to_fit(&self, side: u32) -> Result<Frame, ResizeError> {
        if self.width == 0 || self.height == 0 {
            return Err(ResizeError::Empty);
        }
        let longest = self.width.max(self.height);
        if longest <= side {
            return Ok(self.copy());
        }
        let scale = side as f64 / longest as f64;
        self.sample((self.width as f64 * scale) as u32, (self.height as f64 * scale) as u32)
    }

    /// Cut the largest square out of the middle.
    pub fn crop_square(&self) -> Frame {
        let side = self.width.min(self.height);
        let (left, top) = ((self.width - side) / 2, (self.height - side) / 2);
        self.window(left, top, side, side)
    }

    fn sample(&self, width: u32, height: u32) -> Result<Frame, ResizeError> {
        let pixels = width as u64 * height as u64;
        if pixels > MOST_PIXELS {
            return Err(ResizeError::TooLarge { pixels });
        }
        let mut bytes = Vec::with_capacity(pixels as usize * 4);
        for y in 0..height {
            for x in 0..width {
                bytes.extend_from_slice(self.nearest(x, y, width, height));
            }
        }
        Ok(Frame { width, height, bytes })
    }
}

const MOST_PIXELS: u64 = 40_000_000;

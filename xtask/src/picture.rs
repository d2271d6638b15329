//! Finding things in a picture of a window by their colour, as an eye would.

use anyhow::{Context, Result, bail};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// How far each channel may be off, since drawing rounds.
const TOLERANCE: u8 = 4;

/// The pixels of a window, row by row from the top.
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

/// A rectangle in pixels from the top left corner of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    pub fn center(&self) -> (usize, usize) {
        (self.left + self.width / 2, self.top + self.height / 2)
    }

    fn area(&self) -> usize {
        self.width * self.height
    }
}

/// Pixels of one colour that touch each other.
struct Block {
    /// What is around them.
    bounds: Rect,
    pixels: usize,
}

impl Block {
    /// Whether it is an area, with or without a text in it, and no frame and no letter.
    fn is_solid(&self) -> bool {
        self.pixels * 2 > self.bounds.area()
    }
}

impl Picture {
    /// Reads the format that ImageMagick calls PPM: `P6`, width, height and greatest value as text, then three bytes a
    /// pixel.
    pub fn from_ppm(bytes: &[u8]) -> Result<Picture> {
        let mut rest = bytes;
        let mut word = || -> Result<&str> {
            let start = rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
            let length = rest[start..].iter().position(u8::is_ascii_whitespace).context("the picture is cut off")?;
            let word = std::str::from_utf8(&rest[start..start + length])?;
            rest = &rest[start + length + 1..];
            Ok(word)
        };
        if word()? != "P6" {
            bail!("the picture is no PPM");
        }
        let (width, height) = (word()?.parse()?, word()?.parse()?);
        if word()? != "255" {
            bail!("the picture has more than eight bits a channel");
        }
        let pixels: Vec<Rgb> = rest.as_chunks().0.to_vec();
        if pixels.len() != width * height {
            bail!("the picture has {} pixels instead of {width}×{height}", pixels.len());
        }
        Ok(Picture { width, height, pixels })
    }

    /// The largest area in one of these colours, however small.
    pub fn find_block(&self, colors: &[Rgb]) -> Option<Rect> {
        self.find_blocks(colors).into_iter().max_by_key(Rect::area)
    }

    /// All areas in one of these colours, from top to bottom. Frames and letters are none.
    pub fn find_blocks(&self, colors: &[Rgb]) -> Vec<Rect> {
        let mut open: Vec<bool> = self.pixels.iter().map(|pixel| colors.iter().any(|c| is_near(pixel, c))).collect();
        let mut blocks = Vec::new();
        for start in 0..open.len() {
            if open[start] {
                let block = self.take_block(&mut open, start);
                if block.is_solid() {
                    blocks.push(block.bounds);
                }
            }
        }
        blocks
    }

    /// Flood fill: closes all pixels that are connected with this one.
    fn take_block(&self, open: &mut [bool], start: usize) -> Block {
        let (mut left, mut right) = (start % self.width, start % self.width);
        let (mut top, mut bottom) = (start / self.width, start / self.width);
        let mut pixels = 0;
        let mut queue = vec![start];
        open[start] = false;
        while let Some(at) = queue.pop() {
            pixels += 1;
            let (x, y) = (at % self.width, at / self.width);
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
            let neighbors = [
                (x > 0).then(|| at - 1),
                (x + 1 < self.width).then_some(at + 1),
                (y > 0).then(|| at - self.width),
                (y + 1 < self.height).then_some(at + self.width),
            ];
            for next in neighbors.into_iter().flatten() {
                if open[next] {
                    open[next] = false;
                    queue.push(next);
                }
            }
        }
        Block { bounds: Rect { left, top, width: right - left + 1, height: bottom - top + 1 }, pixels }
    }
}

fn is_near(a: &Rgb, b: &Rgb) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgb = [200, 0, 0];

    /// A picture of spaces and letters, where `#` is nearly red.
    fn picture(rows: &[&str]) -> Picture {
        let mut ppm = format!("P6\n{} {}\n255\n", rows[0].len(), rows.len()).into_bytes();
        for letter in rows.concat().bytes() {
            ppm.extend(if letter == b'#' { [199, 1, 0] } else { [letter; 3] });
        }
        Picture::from_ppm(&ppm).unwrap()
    }

    #[test]
    fn the_largest_block_is_found_around_its_text() {
        let picture = picture(&[
            "#         ", //
            "   ###### ", //
            "   #A#A## ", //
            "   ###### ", //
        ]);
        let block = picture.find_block(&[RED]).unwrap();
        assert_eq!(block, Rect { left: 3, top: 1, width: 6, height: 3 });
        assert_eq!(block.center(), (6, 2));
        assert_eq!(picture.find_blocks(&[RED]).len(), 2);
    }

    #[test]
    fn frames_and_letters_are_no_areas() {
        let picture = picture(&[
            "########## #   ", //
            "#        # #   ", //
            "#  ##    # #   ", //
            "#  ##    # #   ", //
            "#        # #   ", //
            "#        # #   ", //
            "########## ####", //
        ]);
        assert_eq!(picture.find_block(&[RED]), Some(Rect { left: 3, top: 2, width: 2, height: 2 }));
    }

    #[test]
    fn no_block_of_another_color() {
        assert_eq!(picture(&["##", "##"]).find_block(&[[0, 0, 200]]), None);
    }

    #[test]
    fn broken_pictures_are_errors() {
        for bytes in [&b""[..], b"P6", b"P5\n1 1\n255\nabc", b"P6\n1 1\n255\nab", b"P6\n1 1\n65535\nabcdef"] {
            assert!(Picture::from_ppm(bytes).is_err());
        }
    }
}

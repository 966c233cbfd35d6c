//! One page for a browser: a map of what takes the space (M. Bruls, K. Huizing, J. van Wijk, Squarified Treemaps, 2000), and a table. Nothing is loaded
//! from anywhere.

use std::{fmt::Write as _, path::Path};

use flk_stick::Inspection;

use super::by_size;
use crate::ui;

/// Of the map, in the units of its picture.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 700.0;
/// Smaller rectangles get no name.
const NAMED: (f64, f64) = (70.0, 18.0);
/// Width of a letter.
const LETTER: f64 = 6.5;

const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:2em;max-width:1240px;color:#222;background:#fff}\
h1{font-size:1.4em}table{border-collapse:collapse}td{padding:.1em 1em .1em 0}td.n{text-align:right;white-space:nowrap}\
svg{width:100%;height:auto}rect{stroke:#fff}text{font:11px system-ui,sans-serif;pointer-events:none}\
code{font-size:.92em;overflow-wrap:anywhere}";

/// Something that takes space.
struct Item {
    name: String,
    title: String,
    bytes: u64,
}

/// A place on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The page of an image.
pub(super) fn page(image: &Path, found: &Inspection) -> String {
    let items = items(found);
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style>\n<h1>{0}</h1>\n<p>{1}, {2}</p>\n",
        escaped(&name),
        escaped(&found.volume_id),
        ui::bytes(found.size)
    );
    let total: u64 = items.iter().map(|item| item.bytes).sum();
    let whole = Area {
        x: 0.0,
        y: 0.0,
        width: WIDTH,
        height: HEIGHT,
    };
    let sizes: Vec<f64> = items.iter().map(|item| item.bytes as f64).collect();
    let _ = writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"what takes the space\">"
    );
    for (index, (item, area)) in items.iter().zip(squarified(&sizes, whole)).enumerate() {
        rectangle(&mut out, item, area, index);
    }
    out.push_str("</svg>\n<table>\n");
    for item in &items {
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{:.1} %</td><td><code>{}</code></td></tr>",
            ui::bytes(item.bytes),
            item.bytes as f64 * 100.0 / total.max(1) as f64,
            escaped(&item.title)
        );
    }
    out.push_str("</table>\n</html>\n");
    out
}

/// Store paths, and the files beside the store.
fn items(found: &Inspection) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(store) = &found.store {
        items.extend(by_size(&store.paths).into_iter().map(|path| {
            let base = path.path.rsplit('/').next().unwrap_or_default();
            Item {
                name: base
                    .split_once('-')
                    .map_or(base, |(_, name)| name)
                    .to_owned(),
                title: path.path.clone(),
                bytes: path.packed,
            }
        }));
    }
    let is_store = |name: &str| found.store.is_some() && name.ends_with(".squashfs");
    items.extend(
        found
            .files
            .iter()
            .filter(|(name, _)| !is_store(name))
            .map(|(name, bytes)| Item {
                name: name.clone(),
                title: name.clone(),
                bytes: *bytes,
            }),
    );
    items.retain(|item| item.bytes > 0);
    items.sort_by_key(|item| std::cmp::Reverse(item.bytes));
    items
}

fn rectangle(out: &mut String, item: &Item, area: Area, index: usize) {
    // Neighbours differ; 137.5 degrees never come around.
    let hue = (index as f64 * 137.5) % 360.0;
    let _ = write!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"hsl({hue:.0} 45% 72%)\"><title>{} {}</title></rect>",
        area.x,
        area.y,
        area.width,
        area.height,
        escaped(&item.title),
        ui::bytes(item.bytes)
    );
    if area.width > NAMED.0 && area.height > NAMED.1 {
        let room = (area.width / LETTER) as usize;
        let name: String = item.name.chars().take(room.saturating_sub(1)).collect();
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            area.x + 4.0,
            area.y + 14.0,
            escaped(&name)
        );
    }
    out.push('\n');
}

/// A rectangle for each size, the largest first, in proportion, and as square as can be.
fn squarified(sizes: &[f64], whole: Area) -> Vec<Area> {
    let total: f64 = sizes.iter().sum();
    let scale = whole.width * whole.height / total.max(1.0);
    let mut rest = whole;
    let mut areas = Vec::with_capacity(sizes.len());
    let mut at = 0;
    while at < sizes.len() {
        let side = rest.width.min(rest.height);
        let mut end = at + 1;
        while end < sizes.len()
            && worst(&sizes[at..=end], scale, side) <= worst(&sizes[at..end], scale, side)
        {
            end += 1;
        }
        let row: f64 = sizes[at..end].iter().sum::<f64>() * scale;
        let depth = if side > 0.0 { row / side } else { 0.0 };
        let mut along = 0.0;
        for size in &sizes[at..end] {
            let length = if depth > 0.0 {
                size * scale / depth
            } else {
                0.0
            };
            areas.push(if rest.width >= rest.height {
                Area {
                    x: rest.x,
                    y: rest.y + along,
                    width: depth,
                    height: length,
                }
            } else {
                Area {
                    x: rest.x + along,
                    y: rest.y,
                    width: length,
                    height: depth,
                }
            });
            along += length;
        }
        if rest.width >= rest.height {
            rest.x += depth;
            rest.width = (rest.width - depth).max(0.0);
        } else {
            rest.y += depth;
            rest.height = (rest.height - depth).max(0.0);
        }
        at = end;
    }
    areas
}

/// The worst proportion of a row along a side.
fn worst(row: &[f64], scale: f64, side: f64) -> f64 {
    let sum: f64 = row.iter().sum::<f64>() * scale;
    let (mut least, mut most) = (f64::MAX, 0_f64);
    for size in row {
        least = least.min(size * scale);
        most = most.max(size * scale);
    }
    (side * side * most / (sum * sum)).max(sum * sum / (side * side * least))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_do_not_overlap() {
        // The paper's own example.
        let sizes = [6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0];
        let whole = Area {
            x: 0.0,
            y: 0.0,
            width: 6.0,
            height: 4.0,
        };
        let areas = squarified(&sizes, whole);
        for (area, size) in areas.iter().zip(sizes) {
            assert!((area.width * area.height - size).abs() < 1e-9, "{area:?}");
            assert!(area.x + area.width < 6.0 + 1e-9 && area.y + area.height < 4.0 + 1e-9);
        }
        assert_eq!(
            areas[1],
            Area {
                x: 0.0,
                y: 2.0,
                width: 3.0,
                height: 2.0
            }
        );
        assert!((areas[2].width - 12.0 / 7.0).abs() < 1e-9);
        assert_eq!(squarified(&[], whole), []);
    }

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(
            escaped("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
        let entities = [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&amp;", "&"),
        ];
        for text in (' '..='~').map(|c| format!("{c}{c}a{c}lt;")) {
            let written = escaped(&text);
            assert!(!written.contains(['<', '>', '"', '\'']), "{written}");
            let read = entities
                .iter()
                .fold(written, |text, (entity, plain)| text.replace(entity, plain));
            assert_eq!(read, text);
        }
    }
}

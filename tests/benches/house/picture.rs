//! A report as a picture: a row for each figure; for a span a dot for each sample, on a logarithmic scale, and for what
//! was sampled over time its course.

use std::fmt::Write as _;

use crate::figures::{Figure, Unit, in_words};
use crate::kept::Kept;

const LEFT: f64 = 430.0;
const WIDTH: f64 = 620.0;
const ROW: f64 = 30.0;
const TOP: f64 = 64.0;

/// The scale's ends, in milliseconds.
const LEAST: f64 = 0.1;
const MOST: f64 = 10_000.0;

/// An SVG document.
pub(crate) fn draw(report: &Kept) -> String {
    let of = |spans: bool| {
        let all = report.figures.0.iter().filter(|figure| figure.samples.len() > 1);
        all.filter(|figure| (figure.unit == Unit::Milliseconds) == spans).collect::<Vec<&Figure>>()
    };
    let (spans, courses) = (of(true), of(false));
    let height = spans.iter().chain(&courses).fold(TOP, |at, _| at + ROW) + 30.0;
    let width = LEFT + WIDTH + 110.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">"#
    );
    write(&mut svg, format_args!(r##"<rect width="100%" height="100%" fill="#ffffff"/>"##));
    write(&mut svg, format_args!(r#"<text x="12" y="22" font-size="15">NanoClaw, {}</text>"#, escaped(&report.when)));
    write(
        &mut svg,
        format_args!(r##"<text x="12" y="40" font-size="10" fill="#555">{}</text>"##, escaped(&report.machine)),
    );
    let mut y = TOP + ROW / 2.0;
    if !spans.is_empty() {
        scale(&mut svg, spans.iter().fold(TOP, |at, _| at + ROW));
    }
    for figure in spans {
        line(&mut svg, figure, y);
        y += ROW;
    }
    for figure in courses {
        course(&mut svg, figure, y);
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn scale(svg: &mut String, bottom: f64) {
    for (at, name) in
        [(0.1, "0.1 ms"), (1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1_000.0, "1 s"), (10_000.0, "10 s")]
    {
        let x = place(at);
        write(svg, format_args!(r##"<line x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}" stroke="#ddd"/>"##));
        let y = TOP - 6.0;
        write(
            svg,
            format_args!(r##"<text x="{x:.1}" y="{y}" text-anchor="middle" font-size="11" fill="#555">{name}</text>"##),
        );
    }
}

/// A figure's name, its samples, a mark at the median and a short one at the 95th percentile.
fn line(svg: &mut String, figure: &Figure, y: f64) {
    let (text_y, name) = (y + 4.0, escaped(&figure.what));
    write(svg, format_args!(r#"<text x="{}" y="{text_y}" text-anchor="end">{name}</text>"#, LEFT - 12.0));
    for sample in &figure.samples {
        let x = place(*sample);
        write(svg, format_args!(r##"<circle cx="{x:.1}" cy="{y}" r="3" fill="#1f77b4" fill-opacity="0.25"/>"##));
    }
    for (percent, reach, colour) in [(50, 10.0, "#d62728"), (95, 6.0, "#555555")] {
        let Some(value) = figure.percentile(percent) else { continue };
        let (x, y1, y2) = (place(value), y - reach, y + reach);
        write(
            svg,
            format_args!(r#"<line x1="{x:.1}" x2="{x:.1}" y1="{y1}" y2="{y2}" stroke="{colour}" stroke-width="2"/>"#),
        );
    }
    let median = in_words(figure.percentile(50), figure.unit);
    write(svg, format_args!(r##"<text x="{}" y="{text_y}" fill="#d62728">{median}</text>"##, LEFT + WIDTH + 14.0));
}

/// A figure's name, its samples from left to right between nothing and the most, and the most.
#[expect(clippy::cast_precision_loss, reason = "a count of samples")]
fn course(svg: &mut String, figure: &Figure, y: f64) {
    let (text_y, name) = (y + 4.0, escaped(&figure.what));
    write(svg, format_args!(r#"<text x="{}" y="{text_y}" text-anchor="end">{name}</text>"#, LEFT - 12.0));
    let most = figure.percentile(100);
    let height = most.filter(|most| *most > 0.0).unwrap_or(1.0);
    let step = WIDTH / figure.samples.len() as f64;
    let points = figure.samples.iter().enumerate().map(|(n, sample)| {
        let (x, y) = (LEFT + n as f64 * step, y + ROW / 2.0 - 3.0 - sample / height * (ROW - 6.0));
        format!("{x:.1},{y:.1}")
    });
    let points = points.collect::<Vec<_>>().join(" ");
    write(svg, format_args!(r##"<polyline points="{points}" fill="none" stroke="#1f77b4"/>"##));
    let most = in_words(most, figure.unit);
    write(svg, format_args!(r##"<text x="{}" y="{text_y}" fill="#d62728">{most}</text>"##, LEFT + WIDTH + 14.0));
}

/// Where a span in milliseconds stands.
fn place(value: f64) -> f64 {
    let share = (value.clamp(LEAST, MOST) / LEAST).log10() / (MOST / LEAST).log10();
    LEFT + share * WIDTH
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn write(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    svg.write_fmt(piece).expect("a string takes everything");
}

//! Does a tanh RNN give the results of the test vectors? They are written, and this is compiled and run, by
//!
//!     rnn-conformance vectors write DIR --format text --cell RNN_TANH --layers 1 --directions 1 \
//!         --without lengths,empty,no_bias
//!     rustc --edition 2021 -O vectors.rs && ./vectors DIR/rnn_tanh-*.txt
//!
//! A file has one line about its cell, then two lines for each array: name, number of axes, sizes; and the numbers.

mod rnn;

use std::collections::HashMap;

struct Array {
    shape: Vec<usize>,
    numbers: Vec<f64>,
}

fn read(file: &str) -> HashMap<String, Array> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let mut arrays = HashMap::new();
    for pair in lines.chunks_exact(2) {
        let mut head = pair[0].split_whitespace();
        let name = head.next().expect("a name").to_string();
        let shape = head.skip(1).map(|size| size.parse().expect("a size")).collect();
        let numbers = pair[1].split_whitespace().map(|number| number.parse().expect("a number")).collect();
        arrays.insert(name, Array { shape, numbers });
    }
    arrays
}

fn right(file: &str, name: &str, given: &[f32], arrays: &HashMap<String, Array>) -> bool {
    let (must, rad) = (&arrays[name].numbers, &arrays[&format!("{name}.rad")].numbers);
    for (k, &number) in given.iter().enumerate() {
        // not "greater than", which no NaN is
        if !((f64::from(number) - must[k]).abs() <= rad[k]) {
            println!("{file}: {name}[{k}] is {number:e}, must be {:e} +/- {:.1e}", must[k], rad[k]);
            return false;
        }
    }
    given.len() == must.len()
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let holds = |file: &&String| {
        let arrays = read(file);
        let of = |name: &str| arrays[name].numbers.iter().map(|&number| number as f32).collect::<Vec<f32>>();
        let (x, h) = (&arrays["x"].shape, &arrays["h_n"].shape);
        let (w_ih, w_hh, b_ih, b_hh) = (of("weight_ih_l0"), of("weight_hh_l0"), of("bias_ih_l0"), of("bias_hh_l0"));
        let weights = rnn::Weights { w_ih, w_hh, b_ih, b_hh };
        let (output, h_n) = rnn::rnn(&weights, [x[0], x[1], x[2], h[2]], &of("x"), of("h_0"));
        right(file, "output", &output, &arrays) & right(file, "h_n", &h_n, &arrays)
    };
    let held = files.iter().filter(holds).count();
    println!("{held} of {} test vectors hold", files.len());
    std::process::exit(i32::from(held < files.len() || files.is_empty()));
}

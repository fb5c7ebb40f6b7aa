//! One layer of a tanh RNN in one direction. Arrays are row by row: x (T, N, I), h (N, H), w_ih (H, I), w_hh (H, H).

pub struct Weights {
    pub w_ih: Vec<f32>,
    pub w_hh: Vec<f32>,
    pub b_ih: Vec<f32>,
    pub b_hh: Vec<f32>,
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The output (T, N, H) and the final states; `h` holds the initial ones.
pub fn rnn(p: &Weights, sizes: [usize; 4], x: &[f32], mut h: Vec<f32>) -> (Vec<f32>, Vec<f32>) {
    let [steps, rows, inputs, units] = sizes;
    let mut output = Vec::new();
    for t in 0..steps {
        for n in 0..rows {
            let x_t = &x[(t * rows + n) * inputs..][..inputs];
            let state = &mut h[n * units..][..units];
            let new: Vec<f32> = (0..units)
                .map(|u| {
                    let input = dot(&p.w_ih[u * inputs..][..inputs], x_t) + p.b_ih[u];
                    (input + dot(&p.w_hh[u * units..][..units], state) + p.b_hh[u]).tanh()
                })
                .collect();
            state.copy_from_slice(&new);
            output.extend(new);
        }
    }
    (output, h)
}

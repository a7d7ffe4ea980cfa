//! Made-up texts and vectors of the benches that search, the same in every run.

pub const DIMENSIONS: usize = 384;
const VOCABULARY: u64 = 20_000;

/// A pseudorandom generator.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end).expect("small")
    }
}

/// From -1 to 1, most of them near 0.
pub fn numbers(chance: &mut Chance) -> Vec<f32> {
    let mut part = || (chance.next() % 2_001) as f32 / 1_000.0 - 1.0;
    (0..DIMENSIONS).map(|_| part() + part() + part()).collect()
}

pub fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// Words of which the nth is about n times as rare as the first, from the
/// `first` on.
pub fn sentence(chance: &mut Chance, words: usize, first: u64) -> String {
    let (first, last) = ((first as f64).ln(), (VOCABULARY as f64).ln());
    let word = |_| {
        let share = chance.below(1 << 30) as f64 / f64::from(1 << 30);
        let nth = (first + share * (last - first)).exp() as u64;
        // Letters only and no stop words.
        let letters = nth.to_string().into_bytes().into_iter();
        let letters = letters.map(|digit| char::from(digit - b'0' + b'k'));
        format!("w{}", letters.collect::<String>())
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

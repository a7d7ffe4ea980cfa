//! A made-up world after the manner of LUBM, the same in every run.

use serde_json::{Value, json};

const UNIVERSITIES: usize = 100;
const DEPARTMENTS: usize = 20;
const PROFESSORS: usize = 8;
const COURSES: usize = 12;
const STUDENTS: usize = 29;

/// A linear congruential generator; its high bits are good enough.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    /// `count` different numbers below `bound`.
    fn some(&mut self, count: usize, bound: usize) -> Vec<usize> {
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let next = self.below(bound);
            if !drawn.contains(&next) {
                drawn.push(next);
            }
        }
        drawn
    }
}

/// Subject, predicate, object.
pub fn triples() -> Vec<[String; 3]> {
    let mut random = Random(7);
    let mut triples: Vec<[String; 3]> = Vec::with_capacity(1_000_000);
    let departments = UNIVERSITIES * DEPARTMENTS;
    let (professors, courses) = (departments * PROFESSORS, departments * COURSES);
    let students = departments * STUDENTS;
    let named = |kind: &str, nth: usize| format!("{kind}:{kind}{nth}");
    let mut say = |s: String, p: &str, o: String| triples.push([s, p.to_owned(), o]);
    for department in 0..departments {
        let university = named("university", department / DEPARTMENTS);
        say(named("department", department), "part_of", university);
    }
    for professor in 0..professors {
        let department = professor / PROFESSORS;
        let name = || named("professor", professor);
        say(name(), "works_at", named("department", department));
        let from = random.below(UNIVERSITIES);
        say(name(), "degree_from", named("university", from));
        for course in random.some(2, COURSES) {
            say(
                name(),
                "teaches",
                named("course", department * COURSES + course),
            );
        }
    }
    for student in 0..students {
        let department = student / STUDENTS;
        let university = department / DEPARTMENTS;
        let name = || named("student", student);
        say(name(), "member_of", named("department", department));
        let from = random.below(UNIVERSITIES);
        say(name(), "degree_from", named("university", from));
        let advisor = department * PROFESSORS + random.below(PROFESSORS);
        say(name(), "advised_by", named("professor", advisor));
        // Courses of the whole university.
        let offered = DEPARTMENTS * COURSES;
        for course in random.some(8, offered) {
            say(
                name(),
                "takes",
                named("course", university * offered + course),
            );
        }
        for friend in random.some(5, students) {
            say(name(), "knows", named("student", friend));
        }
    }
    let mut course = 1;
    while triples.len() < 1_000_000 {
        triples.push([
            named("course", course % courses),
            "builds_on".to_owned(),
            named("course", course % courses - 1),
        ]);
        course += 1;
    }
    triples
}

/// The questions with the constants of each time they are asked.
pub fn questions() -> Vec<Value> {
    let mut random = Random(11);
    let departments = UNIVERSITIES * DEPARTMENTS;
    let mut some = |count: usize, kind: &str, bound: usize| -> Vec<Value> {
        (0..count)
            .map(|_| json!([format!("{kind}:{kind}{}", random.below(bound))]))
            .collect()
    };
    let students = departments * STUDENTS;
    vec![
        json!({"name": "1 hop", "depth": 1, "both": false, "instances": some(300, "student", students)}),
        json!({"name": "2 hops, both ways", "depth": 2, "both": true, "instances": some(100, "student", students)}),
        json!({"name": "3 hops", "depth": 3, "both": false, "instances": some(100, "student", students)}),
        json!({
            "name": "triangle",
            "patterns": [["?s", "advised_by", "?p"], ["?p", "teaches", "?c"], ["?s", "takes", "?c"]],
            "instances": vec![json!([]); 5],
        }),
        json!({
            "name": "join of 4",
            "patterns": [
                ["?s", "member_of", "$0"], ["?s", "takes", "?c"],
                ["?p", "teaches", "?c"], ["?p", "works_at", "?d"],
            ],
            "instances": some(200, "department", departments),
        }),
    ]
}

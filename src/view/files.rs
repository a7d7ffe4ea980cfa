//! The files of the page, which are part of the program.

use crate::graph::picture::DRAWING;

/// One file of the page.
pub(crate) struct File {
    name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

/// The document itself.
pub(crate) const PAGE: File = File {
    name: "index.html",
    content_type: "text/html; charset=utf-8",
    text: include_str!("page/index.html"),
};

/// Style sheets and scripts by the names in `page`, and those from elsewhere.
macro_rules! files {
    ($($name:literal: $content_type:literal),*; $($other:literal: $its_type:literal = $text:expr),*) => {
        &[
            $(File {
                name: $name,
                content_type: $content_type,
                text: include_str!(concat!("page/", $name)),
            },)*
            $(File { name: $other, content_type: $its_type, text: $text },)*
        ]
    };
}

const FILES: &[File] = files! {
    "style.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "ask.js": "text/javascript; charset=utf-8",
    "figures.js": "text/javascript; charset=utf-8",
    "graph.js": "text/javascript; charset=utf-8",
    "procedures.js": "text/javascript; charset=utf-8",
    "skills.js": "text/javascript; charset=utf-8",
    "memories.js": "text/javascript; charset=utf-8",
    "memory.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml";
    "drawing.js": "text/javascript; charset=utf-8" = DRAWING
};

pub(crate) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::VIEW_FILES_BYTES_MAX;

    #[test]
    fn files_are_small_and_name_no_other_host() {
        let all = || FILES.iter().chain([&PAGE]);
        let bytes: usize = all().map(|file| file.text.len()).sum();
        assert!(bytes < VIEW_FILES_BYTES_MAX, "{bytes} bytes");
        for file in all() {
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            for word in ["http:", "https:", "@import", "url(", "innerHTML", "eval("] {
                assert!(!text.contains(word), "{}: {word}", file.name);
            }
        }
    }

    #[test]
    fn document_and_scripts_name_files_that_exist() {
        for name in PAGE.text.split("\"/view/").skip(1) {
            let name = name.split('"').next().unwrap_or_default();
            assert!(file(name).is_some(), "{name}");
        }
        for script in FILES.iter().filter(|file| file.name.ends_with(".js")) {
            for name in script.text.split("from \"./").skip(1) {
                let name = name.split('"').next().unwrap_or_default();
                assert!(file(name).is_some(), "{name} in {}", script.name);
            }
        }
    }
}

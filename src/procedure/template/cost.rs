//! An upper bound of a template's cost, found in its syntax tree before evaluation: the
//! engine counts its own instructions, but a filter or an operator is one instruction
//! however long its values are, and a list times a number is a list of any length.

use minijinja::machinery::{ast, parse, parse_expr};
use serde_json::{Map, Value};

use super::{TemplateError, expression, template_error};
use crate::limits;

/// Fails if an intermediate value could exceed the limit, if all of them together
/// could, or if a list could be multiplied.
pub(super) fn check(source: &str, scope: &Map<String, Value>) -> Result<(), TemplateError> {
    let mut estimator = Estimator {
        scope,
        left: limits::TEMPLATE_WORK_BYTES_MAX,
        depth: 0,
    };
    if let Some(inner) = expression(source) {
        return estimator
            .most(&parse_expr(inner).map_err(template_error)?)
            .map(drop);
    }
    let syntax = Default::default();
    let tree = parse(source, "<template>", syntax, Default::default()).map_err(template_error)?;
    let ast::Stmt::Template(template) = tree else {
        return Ok(());
    };
    for part in &template.children {
        if let ast::Stmt::EmitExpr(emitted) = part {
            estimator.most(&emitted.expr)?;
        }
    }
    Ok(())
}

/// The upper bound of an expression's value.
#[derive(Clone, Copy, Default)]
struct UpperBound {
    bytes: usize,
    /// The greatest number that it can be, if known.
    number: Option<u64>,
    may_be_text: bool,
    may_be_list: bool,
    may_be_object: bool,
}

impl UpperBound {
    const SCALAR: UpperBound = UpperBound {
        bytes: NODE_BYTES,
        number: None,
        may_be_text: false,
        may_be_list: false,
        may_be_object: false,
    };

    fn text(bytes: usize) -> UpperBound {
        UpperBound {
            bytes,
            may_be_text: true,
            ..UpperBound::SCALAR
        }
    }

    fn list(bytes: usize) -> UpperBound {
        UpperBound {
            bytes,
            may_be_list: true,
            ..UpperBound::SCALAR
        }
    }

    /// The bound of any part of a value of `bytes`.
    fn anything(bytes: usize) -> UpperBound {
        UpperBound {
            bytes,
            number: None,
            may_be_text: true,
            may_be_list: true,
            may_be_object: true,
        }
    }

    fn of(value: &Value) -> UpperBound {
        UpperBound {
            bytes: size(value),
            number: value.as_u64(),
            may_be_text: value.is_string(),
            may_be_list: value.is_array(),
            may_be_object: value.is_object(),
        }
    }

    fn or(self, other: UpperBound) -> UpperBound {
        UpperBound {
            bytes: self.bytes.max(other.bytes),
            number: self.number.zip(other.number).map(|(a, b)| a.max(b)),
            may_be_text: self.may_be_text || other.may_be_text,
            may_be_list: self.may_be_list || other.may_be_list,
            may_be_object: self.may_be_object || other.may_be_object,
        }
    }

    /// Its length as text: inside lists and objects, texts are escaped.
    fn shown(self) -> usize {
        match self.may_be_list || self.may_be_object {
            true => self.bytes.saturating_mul(ESCAPED),
            false => self.bytes,
        }
    }
}

/// The overhead of a value besides its text.
const NODE_BYTES: usize = 4;
/// The bytes of one escaped byte.
const ESCAPED: usize = 6;

fn size(value: &Value) -> usize {
    NODE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(members) => {
                let sizes = members.iter().map(|(key, member)| key.len() + size(member));
                sizes.sum()
            }
            _ => 0,
        }
}

struct Estimator<'s> {
    scope: &'s Map<String, Value>,
    left: usize,
    depth: usize,
}

impl<'s> Estimator<'s> {
    fn most(&mut self, expression: &ast::Expr<'_>) -> Result<UpperBound, TemplateError> {
        let most = match self.values(expression) {
            Some(values) => {
                let each = values.into_iter().map(UpperBound::of);
                // An undefined value ends the evaluation.
                each.reduce(UpperBound::or).unwrap_or(UpperBound {
                    number: Some(0),
                    ..UpperBound::SCALAR
                })
            }
            None => {
                if self.depth == limits::TEMPLATE_OPERATORS_NESTED_MAX {
                    let limit = limits::TEMPLATE_OPERATORS_NESTED_MAX;
                    return Err(TemplateError(format!(
                        "its operators lie more than {limit} deep"
                    )));
                }
                self.depth += 1;
                let most = self.computed(expression)?;
                self.depth -= 1;
                most
            }
        };
        if most.bytes > limits::TEMPLATE_VALUE_BYTES_MAX {
            let limit = limits::TEMPLATE_VALUE_BYTES_MAX;
            return Err(TemplateError(format!(
                "a value in it could become longer than {limit} bytes"
            )));
        }
        self.left = self.left.checked_sub(most.bytes).ok_or_else(|| {
            TemplateError("it uses too many long values; divide it into several states".to_owned())
        })?;
        Ok(most)
    }

    /// The values of the scope that a path can lead to; `None` for what is not a path.
    fn values(&self, expression: &ast::Expr<'_>) -> Option<Vec<&'s Value>> {
        match expression {
            ast::Expr::Var(variable) => Some(self.scope.get(variable.id).into_iter().collect()),
            ast::Expr::GetAttr(attribute) => {
                let of = self.values(&attribute.expr)?.into_iter();
                Some(of.filter_map(|value| value.get(attribute.name)).collect())
            }
            ast::Expr::GetItem(item) => {
                let of = self.values(&item.expr)?.into_iter();
                let key = match &item.subscript_expr {
                    ast::Expr::Const(key) => key.value.as_str().map(str::to_owned),
                    _ => None,
                };
                Some(match key {
                    Some(key) => of.filter_map(|value| value.get(&key)).collect(),
                    None => of.flat_map(inside).collect(),
                })
            }
            ast::Expr::Filter(filter) if ["first", "last", "min", "max"].contains(&filter.name) => {
                let of = self.values(filter.expr.as_ref()?)?.into_iter();
                Some(of.flat_map(inside).collect())
            }
            _ => None,
        }
    }

    fn computed(&mut self, expression: &ast::Expr<'_>) -> Result<UpperBound, TemplateError> {
        Ok(match expression {
            ast::Expr::Const(constant) => match constant.value.as_str() {
                Some(text) => UpperBound::text(NODE_BYTES + text.len()),
                None => UpperBound {
                    number: constant.value.as_usize().map(|number| number as u64),
                    ..UpperBound::SCALAR
                },
            },
            ast::Expr::List(list) => UpperBound::list(self.sum(&list.items)?),
            ast::Expr::Map(map) => UpperBound {
                bytes: self.sum(&map.keys)?.saturating_add(self.sum(&map.values)?),
                may_be_object: true,
                ..UpperBound::SCALAR
            },
            ast::Expr::UnaryOp(operation) => {
                self.most(&operation.expr)?;
                UpperBound::SCALAR
            }
            ast::Expr::BinOp(operation) => self.operation(operation)?,
            ast::Expr::Compare(comparison) => {
                self.most(&comparison.expr)?;
                for next in &comparison.ops {
                    self.most(&next.expr)?;
                }
                UpperBound::SCALAR
            }
            ast::Expr::IfExpr(choice) => {
                self.most(&choice.test_expr)?;
                let yes = self.most(&choice.true_expr)?;
                match &choice.false_expr {
                    Some(no) => yes.or(self.most(no)?),
                    None => yes,
                }
            }
            ast::Expr::Slice(slice) => {
                for bound in [&slice.start, &slice.stop, &slice.step] {
                    bound.as_ref().map(|bound| self.most(bound)).transpose()?;
                }
                self.most(&slice.expr)?
            }
            ast::Expr::Test(test) => {
                self.most(&test.expr)?;
                self.arguments(&test.args)?;
                UpperBound::SCALAR
            }
            ast::Expr::Filter(filter) => self.filter(filter)?,
            ast::Expr::GetAttr(attribute) => {
                UpperBound::anything(self.most(&attribute.expr)?.bytes)
            }
            ast::Expr::GetItem(item) => {
                self.most(&item.subscript_expr)?;
                UpperBound::anything(self.most(&item.expr)?.bytes)
            }
            // The engine has no functions, and finds every variable among the values.
            ast::Expr::Call(_) | ast::Expr::Var(_) => UpperBound::SCALAR,
        })
    }

    fn operation(&mut self, operation: &ast::BinOp<'_>) -> Result<UpperBound, TemplateError> {
        use ast::BinOpKind::*;
        let (left, right) = (self.most(&operation.left)?, self.most(&operation.right)?);
        let both = left.number.zip(right.number);
        Ok(match operation.op {
            ScAnd | ScOr => left.or(right),
            Add => UpperBound {
                bytes: left.bytes.saturating_add(right.bytes),
                number: both.map(|(a, b)| a.saturating_add(b)),
                ..left.or(right)
            },
            Concat => UpperBound::text(left.shown().saturating_add(right.shown())),
            Mul if left.may_be_list || right.may_be_list => {
                return Err(TemplateError(
                    "a list cannot be multiplied; if the value is a number, say so with | int \
                     or | float"
                        .to_owned(),
                ));
            }
            Mul => {
                let repeated = |text: UpperBound, times: UpperBound| match text.may_be_text {
                    true => match times.number.map(usize::try_from) {
                        Some(Ok(times)) => (text.bytes - NODE_BYTES).saturating_mul(times),
                        // The engine repeats a text only so often that it stays in memory,
                        // which is more than a template may.
                        _ => usize::MAX,
                    },
                    false => NODE_BYTES,
                };
                UpperBound {
                    bytes: repeated(left, right).max(repeated(right, left)),
                    number: both.map(|(a, b)| a.saturating_mul(b)),
                    may_be_text: left.may_be_text || right.may_be_text,
                    ..UpperBound::SCALAR
                }
            }
            Sub | Div | FloorDiv | Rem => UpperBound {
                number: both.map(|(a, _)| a),
                ..UpperBound::SCALAR
            },
            Eq | Ne | Lt | Lte | Gt | Gte | In | Pow => UpperBound::SCALAR,
        })
    }

    fn filter(&mut self, filter: &ast::Filter<'_>) -> Result<UpperBound, TemplateError> {
        let of = match &filter.expr {
            Some(expression) => self.most(expression)?,
            None => UpperBound::SCALAR,
        };
        let arguments = self.arguments(&filter.args)?;
        Ok(match filter.name {
            "abs" | "bool" | "float" | "int" | "round" => UpperBound {
                number: of.number,
                ..UpperBound::SCALAR
            },
            "length" => UpperBound {
                number: Some(of.bytes as u64),
                ..UpperBound::SCALAR
            },
            "sum" => UpperBound::SCALAR,
            "default" => of.or(arguments),
            "join" => {
                let items = of.bytes / NODE_BYTES;
                let between = items.saturating_mul(arguments.shown());
                UpperBound::text(of.shown().saturating_add(between))
            }
            "string" => UpperBound::text(of.shown()),
            "tojson" => UpperBound::text(of.bytes.saturating_mul(ESCAPED)),
            // A few letters have an upper or lower form of three times their length.
            "upper" | "lower" => UpperBound::text(of.shown().saturating_mul(3)),
            "trim" => UpperBound::text(of.shown()),
            // Each letter of a text can become an item.
            "items" | "lines" | "list" | "reverse" | "sort" | "split" | "unique" => UpperBound {
                may_be_text: filter.name == "reverse",
                ..UpperBound::list(match of.may_be_text {
                    true => of.bytes.saturating_mul(1 + NODE_BYTES),
                    false => of.bytes,
                })
            },
            _ => UpperBound::anything(of.bytes),
        })
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'_>]) -> Result<UpperBound, TemplateError> {
        let mut all = UpperBound::default();
        for argument in arguments {
            let (ast::CallArg::Pos(expression)
            | ast::CallArg::Kwarg(_, expression)
            | ast::CallArg::PosSplat(expression)
            | ast::CallArg::KwargSplat(expression)) = argument;
            all = all.or(self.most(expression)?);
        }
        Ok(all)
    }

    fn sum(&mut self, expressions: &[ast::Expr<'_>]) -> Result<usize, TemplateError> {
        let mut bytes = NODE_BYTES;
        for expression in expressions {
            bytes = bytes.saturating_add(self.most(expression)?.bytes);
        }
        Ok(bytes)
    }
}

/// The items of a list, the values of an object; a text for its letters.
fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        Value::String(_) => vec![value],
        _ => Vec::new(),
    }
}

//! Names that mean nothing in a template: filters, tests and functions that there are none of. The engine notices them only when
//! it comes by, perhaps for one recipient among thousands; here they are found beforehand, wherever they stand. A name that is a
//! text of its own (`map("upper")`) is still looked up when it is rendered.

use std::collections::HashSet;

use minijinja::machinery::{Instruction, get_compiled_template};
use minijinja::{Environment, ErrorKind};

/// What the engine itself gives a name to: within a recursive loop, and within a macro that is called with a block.
const GIVEN: [&str; 2] = ["loop", "caller"];

/// The unknown names of a compiled template in words, each with its line.
pub(super) fn unknown(environment: &Environment<'_>, name: &str) -> Vec<(usize, String)> {
    let Ok(template) = environment.get_template(name) else { return Vec::new() };
    let instructions = &get_compiled_template(&template).instructions;
    let all = || (0..).map_while(|at| Some((at, instructions.get(at)?)));
    // Macros, and whatever may hold one.
    let declared = all().filter_map(|(_, instruction)| match instruction {
        Instruction::StoreLocal(name) => Some(*name),
        _ => None,
    });
    let callable: HashSet<&str> = environment.globals().map(|(name, _)| name).chain(GIVEN).chain(declared).collect();
    let mut state = environment.empty_state();
    let unknown = all().filter_map(|(at, instruction)| {
        let (kind, name) = match instruction {
            // Without a value none of them does anything but complain.
            Instruction::ApplyFilter(name, ..) => {
                let refused = state.apply_filter(name, &[]).err();
                refused.filter(|error| error.kind() == ErrorKind::UnknownFilter).map(|_| ("filter", *name))?
            }
            Instruction::PerformTest(name, ..) => {
                let refused = state.perform_test(name, &[]).err();
                refused.filter(|error| error.kind() == ErrorKind::UnknownTest).map(|_| ("test", *name))?
            }
            Instruction::CallFunction(name, _) if !callable.contains(name) => ("function", *name),
            _ => return None,
        };
        Some((instructions.get_line(at).unwrap_or(1), format!("unknown {kind} \"{name}\"")))
    });
    unknown.collect()
}

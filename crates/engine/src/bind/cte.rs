//! WITH queries, recursive ones too.

use functions::cast::Context;
use query::ir::{CteId, Rel};
use sqlparser::ast::{self, SetExpr};
use types::{Result, SqlError, SqlState, Type};

use super::{Binder, Bound, Cte, CteBody, NO_META, Output, Scope, cte_place};
use crate::parse::fold;

impl Binder<'_> {
    pub(super) fn cte(&mut self, cte: &ast::Cte, recursive: bool, parent: Option<&Scope<'_>>) -> Result<()> {
        let name = fold(&cte.alias.name);
        let aliases: Vec<String> = cte.alias.columns.iter().map(|column| fold(&column.name)).collect();
        let bound = match (recursive, &*cte.query.body) {
            (
                true,
                SetExpr::SetOperation {
                    op: ast::SetOperator::Union,
                    set_quantifier,
                    left,
                    right,
                },
            ) if mentions(right, &name) => self.recursive_cte(&name, &aliases, left, right, *set_quantifier, parent)?,
            _ => self.query(&cte.query, parent, false)?,
        };
        let columns = self.cte_columns(&name, &bound, &aliases)?;
        let id = CteId(self.cte_count);
        self.cte_count += 1;
        self.ctes.push(Cte {
            name,
            columns,
            body: CteBody::Query(cte_place::Query::new(id, bound.rel, cte.materialized.as_ref())),
        });
        Ok(())
    }

    pub(super) fn cte_columns(&self, name: &str, bound: &Bound, aliases: &[String]) -> Result<Vec<(String, Type, i32)>> {
        if aliases.len() > bound.columns.len() {
            return Err(SqlError::new(
                SqlState::InvalidColumnReference,
                format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    bound.columns.len(),
                    aliases.len()
                ),
            ));
        }
        Ok(bound
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                (
                    aliases.get(index).unwrap_or(&column.name).clone(),
                    column.ty,
                    self.meta(column.id).typmod,
                )
            })
            .collect())
    }

    pub(super) fn recursive_cte(
        &mut self,
        name: &str,
        aliases: &[String],
        left: &SetExpr,
        right: &SetExpr,
        quantifier: ast::SetQuantifier,
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound> {
        let base = self.set_expr(left, parent, false)?;
        let columns = self.cte_columns(name, &base, aliases)?;
        self.ctes.push(Cte {
            name: name.to_string(),
            columns: columns.clone(),
            body: CteBody::WorkTable(name.to_string()),
        });
        let recursive = self.set_expr(right, parent, false);
        self.ctes.pop();
        let mut recursive = recursive?;
        if recursive.columns.len() != base.columns.len() {
            return Err(SqlError::new(
                SqlState::SyntaxError,
                "each UNION query must have the same number of columns",
            ));
        }
        for (index, (of_base, of_rest)) in base.columns.iter().zip(&recursive.columns).enumerate() {
            if of_base.ty != of_rest.ty && !functions::cast::can_cast(of_rest.ty, of_base.ty, Context::Implicit) {
                return Err(SqlError::new(
                    SqlState::DatatypeMismatch,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        index + 1,
                        of_base.ty,
                        of_rest.ty
                    ),
                )
                .hint("Cast the output of the non-recursive term to the correct type."));
            }
        }
        let wanted: Vec<Type> = base.columns.iter().map(|column| column.ty).collect();
        recursive = self.convert_columns(recursive, &wanted)?;
        let outputs: Vec<Output> = base
            .columns
            .iter()
            .zip(&columns)
            .map(|(column, (name, ty, typmod))| Output {
                name: name.clone(),
                id: self.new_column(super::ColumnMeta {
                    typmod: *typmod,
                    ..NO_META
                }),
                ty: if column.ty == *ty { *ty } else { column.ty },
            })
            .collect();
        let rel = Rel::Recursive {
            name: name.to_string(),
            base: Box::new(base.rel),
            recursive: Box::new(recursive.rel),
            all: quantifier == ast::SetQuantifier::All,
            columns: outputs.iter().map(|output| (output.id, output.ty)).collect(),
        };
        Ok(Bound { rel, columns: outputs })
    }
}

/// Whether a query body reads from this name: what makes a WITH query recursive.
pub(super) fn mentions(body: &SetExpr, name: &str) -> bool {
    use std::ops::ControlFlow;
    let flow = ast::visit_relations(body, |relation| {
        let found = relation.0.len() == 1 && matches!(&relation.0[0], ast::ObjectNamePart::Identifier(ident) if fold(ident) == name);
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    flow.is_break()
}

//! A fraud score for payments: how far an amount is from what the customer usually pays, and from where.
//!
//! Two functions, one for each form of docs/wasm-abi.md: `amount_risk` takes and gives numbers, `fraud_score` takes
//! text too, reads the customer's history through the database, and answers with JSON.

#![no_std]

mod guest;

use guest::{Answer, Value};

/// 0 for an amount at or below the average, towards 1 the further it is above.
#[unsafe(no_mangle)]
pub extern "C" fn amount_risk(amount: f64, average: f64) -> f64 {
    if !(amount > average) || !(average > 0.0) {
        return 0.0;
    }
    1.0 - average / amount
}

/// `fraud_score(customer bigint, amount double precision, country text) RETURNS jsonb`.
#[unsafe(no_mangle)]
pub extern "C" fn fraud_score(pointer: u32, length: u32) -> u64 {
    guest::serve(pointer, length, |arguments, answer| {
        let [Value::Long(customer), Value::Float(amount), Value::Text(country)] = guest::values::<3>(arguments)? else {
            answer.null();
            return Ok(());
        };
        let mut history = [0; 512];
        let found = guest::query(
            "SELECT count(*), avg(amount), count(*) FILTER (WHERE country = $2) FROM payments WHERE customer = $1",
            &[Value::Long(customer), Value::Text(country)],
            &mut history,
        )?;
        let [payments, average, from_there] = found.row::<3>()?;
        let (payments, from_there) = (payments.number(), from_there.number());
        let mut score = amount_risk(amount, average.number());
        answer.json(|json| {
            json.push("{\"reasons\": [");
            let mut first = true;
            let mut reason = |json: &mut Answer, weight: f64, text: &str| {
                if !first {
                    json.push(", ");
                }
                first = false;
                json.push("\"");
                json.push(text);
                json.push("\"");
                score += weight;
            };
            if payments == 0.0 {
                reason(json, 0.3, "no history");
            } else if from_there == 0.0 {
                reason(json, 0.4, "new country");
            }
            if amount >= 10_000.0 {
                reason(json, 0.2, "large amount");
            }
            json.push("], \"score\": ");
            json.hundredths(if score > 1.0 { 1.0 } else { score });
            json.push("}");
        });
        Ok(())
    })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

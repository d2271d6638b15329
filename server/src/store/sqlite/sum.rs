//! Sums that find out what a disk has changed: CRC-32 (ISO/IEC 8802-3), which misses no change of up to 32 bits in a row, and
//! of others one in four thousand million. Against people who change the file on purpose they are no help.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use super::super::StoreError;
use super::unexpected;

/// Bytes of a sum behind what it is of.
pub const BYTES: usize = 4;

/// Lets a connection work out the sums of rows. Without it, nothing can be written to the tables.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("row_sum", -1, flags, |values| {
        let mut sum = crc32fast::Hasher::new();
        for index in 0..values.len() {
            let (kind, bytes): (u8, &[u8]) = match values.get_raw(index) {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(number) => {
                    sum.update(&[1]);
                    sum.update(&number.to_le_bytes());
                    continue;
                }
                ValueRef::Real(number) => {
                    sum.update(&[2]);
                    sum.update(&number.to_le_bytes());
                    continue;
                }
                ValueRef::Text(bytes) => (3, bytes),
                ValueRef::Blob(bytes) => (4, bytes),
            };
            sum.update(&[kind]);
            sum.update(&(bytes.len() as u64).to_le_bytes());
            sum.update(bytes);
        }
        Ok(i64::from(sum.finalize()))
    })
}

/// Fails where a row of this table is not what was written.
pub fn check(connection: &Connection, table: &str) -> Result<(), StoreError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE sum IS NOT {})", of_row(connection, table)?);
    match connection.query_row(&sql, [], |row| row.get(0))? {
        false => Ok(()),
        true => Err(changed(table)),
    }
}

/// What is wrong where a row's sum is not right.
pub fn changed(table: &str) -> StoreError {
    unexpected(format!("a row of the table {table} is not what was written"))
}

/// How a table's rows are summed up, as its schema says.
pub fn of_row(connection: &Connection, table: &str) -> Result<String, StoreError> {
    let sql: String =
        connection.query_row("SELECT sql FROM sqlite_schema WHERE name = ?", [table], |row| row.get(0))?;
    let call = sql.split_once("row_sum(").and_then(|(_, rest)| rest.split_once(')'));
    let (columns, _) = call.ok_or_else(|| unexpected(format!("the table {table} has no sums")))?;
    Ok(format!("row_sum({columns})"))
}

/// The sum of bytes that belong to a place.
pub fn of(place: &[u64], bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    place.iter().for_each(|number| sum.update(&number.to_le_bytes()));
    sum.update(bytes);
    sum.finalize()
}

/// Appends the sum of what is there.
pub fn seal(place: &[u64], mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = of(place, &bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// What was sealed for this place; nothing where it was changed.
pub fn unseal<'a>(place: &[u64], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (bytes, sum) = sealed.split_last_chunk::<BYTES>()?;
    (of(place, bytes).to_le_bytes() == *sum).then_some(bytes)
}

//! Dates, times, decimals and UUIDs of Python's standard library, as the numbers and texts that core takes.

use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;
/// `date(1970, 1, 1).toordinal()`.
const EPOCH_ORDINAL: i64 = 719_163;

/// Classes and constants of the standard library, looked up once.
pub struct Standard {
    datetime: Py<PyAny>,
    date: Py<PyAny>,
    timedelta: Py<PyAny>,
    decimal: Py<PyAny>,
    uuid: Py<PyAny>,
    /// 1970, with UTC and without a zone.
    epoch: Py<PyAny>,
    naive_epoch: Py<PyAny>,
}

static STANDARD: PyOnceLock<Standard> = PyOnceLock::new();

impl Standard {
    /// Returns the classes; importing them may run Python code the first time.
    pub fn get(py: Python<'_>) -> PyResult<&'static Self> {
        STANDARD.get_or_try_init(py, || Self::load(py))
    }

    fn load(py: Python<'_>) -> PyResult<Self> {
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?;
        let naive_epoch = datetime.call1((1970, 1, 1))?;
        let zone = PyDict::new(py);
        zone.set_item("tzinfo", module.getattr("timezone")?.getattr("utc")?)?;
        Ok(Self {
            epoch: naive_epoch.call_method("replace", (), Some(&zone))?.unbind(),
            naive_epoch: naive_epoch.unbind(),
            datetime: datetime.unbind(),
            date: module.getattr("date")?.unbind(),
            timedelta: module.getattr("timedelta")?.unbind(),
            decimal: py.import("decimal")?.getattr("Decimal")?.unbind(),
            uuid: py.import("uuid")?.getattr("UUID")?.unbind(),
        })
    }

    /// Reads microseconds since 1970; `None` for anything but a `datetime`. One without a zone is in UTC.
    pub fn micros_of(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        let py = value.py();
        if !value.is_instance(self.datetime.bind(py))? {
            return Ok(None);
        }
        let is_naive = value.getattr(intern!(py, "tzinfo"))?.is_none();
        let epoch = if is_naive { &self.naive_epoch } else { &self.epoch };
        total_micros(&value.sub(epoch.bind(py))?).map(Some)
    }

    /// Makes a `datetime` in UTC.
    pub fn datetime<'py>(&self, py: Python<'py>, micros: i64) -> PyResult<Bound<'py, PyAny>> {
        self.epoch.bind(py).add(self.timedelta(py, micros)?)
    }

    /// Reads days since 1970; `None` for anything but a `date`, a `datetime` included.
    pub fn days_of(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        let py = value.py();
        if !value.is_instance(self.date.bind(py))? || value.is_instance(self.datetime.bind(py))? {
            return Ok(None);
        }
        let ordinal: i64 = value.call_method0(intern!(py, "toordinal"))?.extract()?;
        Ok(Some(ordinal - EPOCH_ORDINAL))
    }

    /// Makes a `date`.
    pub fn date<'py>(&self, py: Python<'py>, days: i64) -> PyResult<Bound<'py, PyAny>> {
        self.date.bind(py).call_method1(intern!(py, "fromordinal"), (days + EPOCH_ORDINAL,))
    }

    /// Reads microseconds; `None` for anything but a `timedelta`.
    pub fn duration_of(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
        if !value.is_instance(self.timedelta.bind(value.py()))? {
            return Ok(None);
        }
        total_micros(value).map(Some)
    }

    /// Makes a `timedelta`.
    pub fn timedelta<'py>(&self, py: Python<'py>, micros: i64) -> PyResult<Bound<'py, PyAny>> {
        let (seconds, micros) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
        self.timedelta.bind(py).call1((seconds.div_euclid(DAY), seconds.rem_euclid(DAY), micros))
    }

    /// Reads the text of a `Decimal`; `None` for anything else.
    pub fn decimal_text<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        if value.is_instance(self.decimal.bind(value.py()))? { value.str().map(Some) } else { Ok(None) }
    }

    /// Makes a `Decimal`.
    pub fn decimal<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        self.decimal.bind(py).call1((text,))
    }

    /// Reads the text of a `UUID`; `None` for anything else.
    pub fn uuid_text<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyString>>> {
        if value.is_instance(self.uuid.bind(value.py()))? { value.str().map(Some) } else { Ok(None) }
    }

    /// Makes a `UUID`.
    pub fn uuid<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        self.uuid.bind(py).call1((text,))
    }
}

fn total_micros(delta: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = delta.py();
    let part = |name: &Bound<'_, PyString>| delta.getattr(name)?.extract::<i64>();
    let days = part(intern!(py, "days"))?;
    let (seconds, micros) = (part(intern!(py, "seconds"))?, part(intern!(py, "microseconds"))?);
    let total = (i128::from(days) * i128::from(DAY) + i128::from(seconds)) * i128::from(MICROS) + i128::from(micros);
    i64::try_from(total).map_err(|_| PyOverflowError::new_err("beyond 64 bits of microseconds"))
}

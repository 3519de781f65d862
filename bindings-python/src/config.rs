//! The configuration in force. Rules are core's (`config.md`); Python reads environment and files.

use std::collections::{BTreeMap, HashMap};

use aster_core::addr::Address;
use aster_core::clock::{Clock as _, SystemClock};
use aster_core::config::{Config as CoreConfig, File, FileFacts, IdentityFile, Role, Sources, TomlFile, load_endpoint};
use aster_core::error::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// Values of every setting, with the source of each.
#[pyclass(frozen, module = "aster._aster")]
pub struct Config(pub(crate) CoreConfig);

/// Text or why there is none, permission bits where the system has them, and whether the file is the user's.
type Look = (Option<String>, String, Option<u32>, bool);
/// Path and text.
type Toml = Option<(String, String)>;

fn values(text: &str) -> PyResult<BTreeMap<String, serde_json::Value>> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn toml_file(toml: Toml) -> Option<TomlFile> {
    toml.map(|(path, text)| TomlFile { path, text })
}

fn look(read: &Bound<'_, PyAny>, path: &str) -> PyResult<File> {
    Ok(match read.call1((path,))?.extract::<Option<Look>>()? {
        None => File::Missing,
        Some((None, why, ..)) => File::Unreadable(why),
        Some((Some(text), _, mode, is_ours)) => File::Text(text, mode.map(|mode| FileFacts { mode, is_ours })),
    })
}

fn role(py: Python<'_>, role: Option<&str>) -> PyResult<Option<Role>> {
    role.map(Role::parse).transpose().map_err(|error| errors::exception(py, &error))
}

#[pymethods]
impl Config {
    /// Settles every setting by itself, without files. `arguments` and `inline` are JSON objects.
    #[staticmethod]
    fn fields(
        py: Python<'_>,
        arguments: &str,
        inline: &str,
        env: HashMap<String, String>,
        toml: Toml,
    ) -> PyResult<Self> {
        let sources = Sources {
            arguments: values(arguments)?,
            inline: values(inline)?,
            env: env.into_iter().collect(),
            toml: toml_file(toml),
            ..Sources::default()
        };
        CoreConfig::fields(&sources).map(Self).map_err(|error| errors::exception(py, &error))
    }

    /// Settles every setting and applies identity, credential and key files. `read` looks at a path.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "core's Sources, one by one")]
    fn resolve(
        py: Python<'_>,
        arguments: &str,
        inline: &str,
        env: HashMap<String, String>,
        toml: Toml,
        role: Option<&str>,
        peer: Option<String>,
        ephemeral_root: Option<[u8; 32]>,
        home: Option<String>,
        read: Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let mut sources = Sources {
            arguments: values(arguments)?,
            inline: values(inline)?,
            env: env.into_iter().collect(),
            toml: toml_file(toml),
            files: BTreeMap::new(),
            role: self::role(py, role)?,
            peer,
            ephemeral_root,
            home,
            now: u64::try_from(SystemClock.epoch_ms() / 1000).ok(),
        };
        let failed = |error: Error| errors::exception(py, &error);
        for path in CoreConfig::files(&sources).map_err(failed)? {
            let file = look(&read, &path)?;
            sources.files.insert(path, file);
        }
        CoreConfig::resolve(sources).map(Self).map_err(failed)
    }

    /// Returns a setting as JSON text and its source, or `None` for an unknown one. Keys are hex.
    fn get(&self, field: &str) -> Option<(String, String)> {
        self.0.get(field).map(|(value, source)| (value.to_string(), source.to_owned()))
    }

    /// The source of each setting.
    #[getter]
    fn sources(&self) -> BTreeMap<&'static str, &str> {
        self.0.sources().collect()
    }

    /// What the operator should be told about the sources.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings().to_vec()
    }

    /// What the operator may want to know about the sources.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    /// The address a client dials if it is given no other.
    #[getter]
    fn endpoint_addr(&self) -> Option<&str> {
        self.0.endpoint_addr()
    }

    /// What a client presents: path or what stands for one, and the document.
    #[getter]
    fn credential(&self, py: Python<'_>) -> PyResult<Option<(String, String)>> {
        let presented = self.0.credential().map_err(|error| errors::exception(py, &error))?;
        Ok(presented.map(|presented| (presented.label.clone(), presented.json.clone())))
    }

    /// The configured root key.
    #[getter]
    fn root_pubkey<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.root_pubkey().map(|key| PyBytes::new(py, &key))
    }

    /// Whether a root key is to be made, since there is none.
    #[getter]
    fn wants_root_key(&self) -> bool {
        self.0.wants_root_key()
    }

    /// The values in force as lines.
    fn to_text(&self) -> String {
        self.0.to_text()
    }

    /// The values in force as JSON text.
    fn to_json(&self) -> String {
        self.0.to_json()
    }
}

/// Fails with ValueError if a text is no address.
#[pyfunction]
pub fn check_address(py: Python<'_>, text: &str) -> PyResult<()> {
    Address::parse(text).map(|_| ()).map_err(|error| errors::exception(py, &error))
}

/// Reads the settings of an endpoint: a JSON object of those that are given.
#[pyfunction]
pub fn endpoint_settings(py: Python<'_>, toml: Toml, env: HashMap<String, String>) -> PyResult<String> {
    let loaded = load_endpoint(toml_file(toml).as_ref(), &env.into_iter().collect());
    loaded.map(|values| serde_json::Value::Object(values).to_string()).map_err(|error| errors::exception(py, &error))
}

/// Looks for the identity file: the seed of the node key, and an entry as JSON text.
#[pyfunction]
#[pyo3(signature = (inline, env, toml, peer, role, read, /))]
pub fn load_identity<'py>(
    py: Python<'py>,
    inline: &str,
    env: HashMap<String, String>,
    toml: Toml,
    peer: Option<&str>,
    role: Option<&str>,
    read: Bound<'py, PyAny>,
) -> PyResult<(Option<Bound<'py, PyBytes>>, Option<String>)> {
    let role = self::role(py, role)?;
    let mut sources = Sources {
        inline: values(inline)?,
        env: env.into_iter().collect(),
        toml: toml_file(toml),
        ..Sources::default()
    };
    let failed = |error: Error| errors::exception(py, &error);
    for path in CoreConfig::files(&sources).map_err(failed)? {
        let file = look(&read, &path)?;
        sources.files.insert(path, file);
    }
    let Some(file) = IdentityFile::search(&sources).map_err(failed)? else { return Ok((None, None)) };
    let entry = file.entry(peer, role).map(|entry| entry.to_string());
    Ok((file.secret_key().map(|seed| PyBytes::new(py, &seed)), entry))
}

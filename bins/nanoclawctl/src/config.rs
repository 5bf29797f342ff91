//! `nanoclawctl config`.

use std::process::ExitCode;

use nc_config::{Options, Setting};
use serde_json::json;

use crate::{cli, output};

pub(crate) fn run(options: &Options, command: &cli::Config) -> anyhow::Result<ExitCode> {
    match command {
        cli::Config::Check => {
            let loaded = nc_config::load(options)?;
            output::line(format!("the configuration of {} is good", output::quoted(loaded.installation.dir())))?;
        }
        cli::Config::Show(show) => {
            let loaded = nc_config::load(options)?;
            if show.json {
                output::json(&loaded.settings.iter().map(fields).collect::<Vec<_>>())?;
            } else {
                let row = |s: &Setting| vec![s.key.clone(), s.value.clone(), s.source.to_string()];
                output::table(&["key", "value", "from"], loaded.settings.iter().map(row).collect(), "")?;
            }
        }
        cli::Config::Example => output::print(&nc_config::example())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fields(setting: &Setting) -> serde_json::Value {
    json!({ "key": setting.key, "value": setting.value, "source": setting.source.to_string() })
}

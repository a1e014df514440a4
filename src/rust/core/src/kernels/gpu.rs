//! The GPU through wgpu: burn's own operations serve every kernel.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

use burn_wgpu::graphics::AutoGraphicsApi;
use burn_wgpu::{init_setup, Wgpu, WgpuDevice};

use super::Kernels;
use crate::error::{Kind, Result};

impl Kernels for Wgpu {
    type Cache = ();
}

/// The GPU of this machine, started on the first call.
///
/// # Errors
/// [`Kind::Device`] if there is none that Vulkan, Metal or DX12 can reach.
pub fn device() -> Result<WgpuDevice> {
    static DEVICE: OnceLock<std::result::Result<WgpuDevice, String>> = OnceLock::new();
    let start = || {
        let device = WgpuDevice::default();
        // wgpu panics where it finds no adapter.
        let setup = catch_unwind(AssertUnwindSafe(|| {
            init_setup::<AutoGraphicsApi>(&device, Default::default())
        }))
        .map_err(|_| "no Vulkan, Metal or DX12 adapter was found".to_string())?;
        match format!("{:?}", setup.backend).as_str() {
            "Gl" => Err("only an OpenGL adapter was found, which does not compute".to_string()),
            _ => Ok(device),
        }
    };
    DEVICE
        .get_or_init(start)
        .clone()
        .map_err(|reason| Kind::Device.error(format!("The GPU cannot be used: {reason}")))
}

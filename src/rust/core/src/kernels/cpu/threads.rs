//! The threads of the kernels: a pool that is started when it is first needed and sleeps between calls.
//!
//! A `fork()` of R copies the pool's memory, but not its threads. The child sees that it is another process
//! and starts a pool of its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder, Yield};

thread_local! {
    static THREADS: Cell<usize> = const { Cell::new(2) };
}

/// Sets the number of threads that the kernels may use when this thread calls them; at least 1.
pub fn set_threads(threads: usize) {
    THREADS.set(threads.max(1));
}

/// The number of threads that the kernels may use.
pub fn threads() -> usize {
    THREADS.get()
}

/// A pool and the process whose threads it has.
struct Started {
    process: u32,
    pool: Arc<ThreadPool>,
}

/// A pool of so many threads; `None` where the system starts none.
fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    static STARTED: Mutex<Option<Started>> = Mutex::new(None);
    let process = std::process::id();
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    match started.take() {
        Some(last) if last.process != process => {
            std::mem::forget(last);
            LOOKING.store(0, Ordering::Relaxed);
        }
        last => *started = last.filter(|last| last.pool.current_num_threads() == threads),
    }
    if started.is_none() {
        let name = |i| format!("innsight-{i}");
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok()?;
        *started = Some(Started { process, pool: Arc::new(pool) });
    }
    started.as_ref().map(|started| started.pool.clone())
}

/// How long a thread looks for more work, or for the end of another's, before it sleeps: the next kernel
/// follows soon, and to wake a thread takes as long as a small one.
const PATIENCE: Duration = Duration::from_micros(200);

/// Threads of the pool that look for work.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

fn look_for_work() {
    let mut last = Instant::now();
    while last.elapsed() < PATIENCE {
        if rayon_core::yield_now() == Some(Yield::Executed) {
            last = Instant::now();
        }
        std::thread::yield_now();
    }
    LOOKING.fetch_sub(1, Ordering::Relaxed);
}

/// Calls `f` so many times at once, on this thread and on others.
fn at_once(times: usize, f: impl Fn() + Sync) {
    let Some(pool) = pool(threads().max(times) - 1) else {
        return (0..times).for_each(|_| f());
    };
    let running = AtomicUsize::new(times - 1);
    pool.in_place_scope(|scope| {
        for _ in 1..times {
            scope.spawn(|_| {
                f();
                running.fetch_sub(1, Ordering::Release);
            });
        }
        for _ in LOOKING.load(Ordering::Relaxed)..times - 1 {
            LOOKING.fetch_add(1, Ordering::Relaxed);
            pool.spawn(look_for_work);
        }
        f();
        let finished = Instant::now();
        while running.load(Ordering::Acquire) > 0 && finished.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
    });
}

/// Runs `f` on equal shares of the tasks, each share on a thread, one of them on this one.
pub fn spread<T: Send>(tasks: Vec<T>, threads: usize, f: impl Fn(Vec<T>) + Sync) {
    let share = tasks.len().div_ceil(threads).max(1);
    let shares = tasks.len().div_ceil(share);
    if shares < 2 {
        return f(tasks);
    }
    let queue = Mutex::new(tasks.into_iter());
    at_once(shares, || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = queue.by_ref().take(share).collect();
        drop(queue);
        f(tasks);
    });
}

/// `f` of every item, in their order. The items are handed out to as many threads as the kernels may
/// use; a kernel that `f` calls has one. Fewer items than threads are taken one after the other.
pub fn in_parallel<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads();
    if threads < 2 || items.len() < threads {
        return items.into_iter().map(f).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let results = Mutex::new(Vec::new());
    at_once(threads, || {
        let before = THREADS.replace(1);
        while let Some((i, item)) = next() {
            let result = f(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
        }
        THREADS.set(before);
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

//! Copy-on-write linear memories: a guest that starts from a picture of another guest's memory.
//!
//! The life of a slot: four gigabytes of address space are reserved, the picture is mapped over their
//! beginning (privately, so that a write copies one page), a guest runs in it, and when its store is
//! dropped the pages it wrote are copied back from the picture. The slot then serves the next guest.
//!
//! # Why the unsafe code is sound
//!
//! * Addresses. A [`Slot`] owns its whole reservation: it maps only inside it (`MAP_FIXED` offsets are
//!   checked against its size), hands out its base to exactly one [`Linear`] at a time (the slot moves
//!   into it and back), and unmaps it once, when dropped. wasmtime drops its `LinearMemory` after the
//!   store, so no guest code runs in a memory that is being reset.
//! * Bounds. The reservation is what wasmtime asked for, plus the guard; all of it beyond the accessible
//!   size is `PROT_NONE`, and the accessible size only grows by `grow_to`, in the reservation. This is
//!   the contract of `MemoryCreator`.
//! * Content. A picture is a sealed memory file: nobody can change or shrink it while it is mapped, so
//!   its read-only view is a plain `&[u8]`, and no access to a mapping can fault beyond its end.
//! * Isolation. A page of a slot is either the picture's own page or a private copy. The kernel names the
//!   private copies (`PAGEMAP_SCAN`: present or swapped, and not of a file) and each is overwritten
//!   with the picture's page. Where the kernel cannot, `MADV_DONTNEED` drops all of them. A slot whose
//!   memory grew, or that was written widely, is not used again at all.

#![allow(unsafe_code)]
// Its files are memory, and the kernel's list of our own pages: no guest can name them.
#![allow(clippy::disallowed_types)]

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

const PAGE: usize = 4096;
/// A slot that holds more private pages than this is given up: every reset would copy them all.
const MAX_PRIVATE_PAGES: usize = 64;
/// Warm slots kept for one picture.
const MAX_IDLE_SLOTS: usize = 32;
/// Warm slots kept in all; each is four gigabytes of address space and some tens of mappings.
const MAX_IDLE_SLOTS_TOTAL: usize = 512;
/// A picture is made of at most this many pieces: each is a mapping of every slot.
const MAX_PIECES: usize = 24;
/// Unchanged pages between two changed ones that are not worth a piece of their own.
const MAX_GAP_PAGES: usize = 16;

static IDLE_SLOTS: AtomicUsize = AtomicUsize::new(0);

/// A picture of a linear memory.
pub struct Image {
    pieces: Vec<Piece>,
    length: usize,
    view: Reservation,
    idle: Mutex<Vec<Slot>>,
}

/// Pages of a memory file that show at `offset` of the picture, over the pieces before it.
#[derive(Clone)]
struct Piece {
    file: Arc<OwnedFd>,
    file_offset: usize,
    offset: usize,
    length: usize,
}

impl Image {
    /// A picture of its own.
    pub fn whole(content: &[u8]) -> std::io::Result<Arc<Image>> {
        let pieces = vec![Piece {
            file: Arc::new(memory_file(&[content])?),
            file_offset: 0,
            offset: 0,
            length: content.len(),
        }];
        Image::of_pieces(pieces, content.len())
    }

    /// A picture that shares with `base` the pages in which it does not differ.
    pub fn over(base: &Image, content: &[u8]) -> std::io::Result<Arc<Image>> {
        let room = MAX_PIECES.saturating_sub(base.pieces.len());
        if content.len() < base.length || room == 0 {
            return Image::whole(content);
        }
        let runs = at_most(room, changed_runs(base.content(), content));
        let chunks: Vec<&[u8]> = runs.iter().map(|run| &content[run.clone()]).collect();
        let file = Arc::new(memory_file(&chunks)?);
        let mut pieces = base.pieces.clone();
        let mut file_offset = 0;
        for run in runs {
            pieces.push(Piece {
                file: file.clone(),
                file_offset,
                offset: run.start,
                length: run.len(),
            });
            file_offset += run.len();
        }
        Image::of_pieces(pieces, content.len())
    }

    fn of_pieces(pieces: Vec<Piece>, length: usize) -> std::io::Result<Arc<Image>> {
        let view = Reservation::new(length.max(PAGE))?;
        for piece in &pieces {
            view.map(piece, libc::PROT_READ)?;
        }
        Ok(Arc::new(Image {
            pieces,
            length,
            view,
            idle: Mutex::new(Vec::new()),
        }))
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// Memory that this picture holds beyond what it shares with others.
    pub fn own_bytes(&self) -> usize {
        self.pieces
            .iter()
            .filter(|piece| Arc::ptr_eq(&piece.file, &self.pieces[self.pieces.len() - 1].file))
            .map(|piece| piece.length)
            .sum()
    }

    pub fn content(&self) -> &[u8] {
        // SAFETY: the view maps `length` bytes of sealed files, readable, until `self` is dropped.
        unsafe { std::slice::from_raw_parts(self.view.base.as_ptr(), self.length) }
    }

    fn take_idle(&self) -> Option<Slot> {
        let slot = self.idle.lock().pop();
        if slot.is_some() {
            IDLE_SLOTS.fetch_sub(1, Ordering::Relaxed);
        }
        slot
    }

    fn put_idle(&self, slot: Slot) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE_SLOTS && IDLE_SLOTS.load(Ordering::Relaxed) < MAX_IDLE_SLOTS_TOTAL {
            IDLE_SLOTS.fetch_add(1, Ordering::Relaxed);
            idle.push(slot);
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        IDLE_SLOTS.fetch_sub(self.idle.get_mut().len(), Ordering::Relaxed);
    }
}

/// The runs of pages in which `content` differs from `base`, or that `base` does not have.
fn changed_runs(base: &[u8], content: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (number, page) in content.chunks(PAGE).enumerate() {
        let start = number * PAGE;
        let end = start + page.len();
        if base.get(start..end) == Some(page) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if start - run.end <= MAX_GAP_PAGES * PAGE => run.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// Joins the runs with the smallest gaps between them, until no more than `max` are left.
fn at_most(max: usize, mut runs: Vec<std::ops::Range<usize>>) -> Vec<std::ops::Range<usize>> {
    let Some(surplus) = runs.len().checked_sub(max.max(1)).filter(|surplus| *surplus > 0) else {
        return runs;
    };
    let mut gaps: Vec<(usize, usize)> = runs.windows(2).map(|pair| pair[1].start - pair[0].end).zip(1..).collect();
    gaps.sort_unstable();
    let mut joined: Vec<usize> = gaps.iter().take(surplus).map(|(_, second)| *second).collect();
    joined.sort_unstable();
    for second in joined.into_iter().rev() {
        runs[second - 1].end = runs[second].end;
        runs.remove(second);
    }
    runs
}

/// An anonymous file with the chunks one after the other, sealed against any change.
pub fn memory_file(chunks: &[&[u8]]) -> std::io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the descriptor is new and nobody else's.
    let file = unsafe {
        let file = libc::memfd_create(c"sandbox-image".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        if file < 0 {
            return Err(std::io::Error::last_os_error());
        }
        File::from(OwnedFd::from_raw_fd(file))
    };
    file.set_len(chunks.iter().map(|chunk| chunk.len() as u64).sum())?;
    let mut offset = 0;
    for page in chunks.iter().flat_map(|chunk| chunk.chunks(PAGE)) {
        if page.iter().any(|byte| *byte != 0) {
            std::os::unix::fs::FileExt::write_all_at(&file, page, offset)?;
        }
        offset += page.len() as u64;
    }
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: sealing changes no memory.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(file.into())
}

/// Address space of ours, inaccessible until something is mapped over it.
struct Reservation {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: a reservation is an address range; what may touch its content is said at each use.
unsafe impl Send for Reservation {}
// SAFETY: as above; sharing it gives nobody access to its content.
unsafe impl Sync for Reservation {}

impl Reservation {
    fn new(length: usize) -> std::io::Result<Reservation> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping where the kernel likes.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        match NonNull::new(base.cast::<u8>()) {
            Some(base) if base.as_ptr().cast() != libc::MAP_FAILED => Ok(Reservation { base, length }),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    fn map(&self, piece: &Piece, protection: i32) -> std::io::Result<()> {
        if piece.length == 0 {
            return Ok(());
        }
        if piece.offset.checked_add(piece.length).is_none_or(|end| end > self.length) {
            return Err(std::io::Error::other("a picture is larger than its address space"));
        }
        let offset = libc::off_t::try_from(piece.file_offset).map_err(std::io::Error::other)?;
        // SAFETY: the range lies inside this reservation, which nothing else uses; the file is sealed.
        unsafe {
            let at = self.base.as_ptr().add(piece.offset);
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
            let mapped = libc::mmap(at.cast(), piece.length, protection, flags, piece.file.as_raw_fd(), offset);
            if mapped != at.cast() {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    }

    fn make_accessible(&self, from: usize, to: usize) -> std::io::Result<()> {
        if to > self.length {
            return Err(std::io::Error::other("a memory outgrew its address space"));
        }
        if to > from {
            // SAFETY: the range lies inside this reservation.
            let outcome = unsafe { libc::mprotect(self.base.as_ptr().add(from).cast(), to - from, libc::PROT_READ | libc::PROT_WRITE) };
            if outcome != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is ours and nobody holds a pointer into it any more.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.length);
        }
    }
}

/// A reservation with a picture mapped over its beginning, privately and writable.
struct Slot(Reservation);

impl Slot {
    fn new(image: &Image, length: usize) -> std::io::Result<Slot> {
        let slot = Slot(Reservation::new(length)?);
        for piece in &image.pieces {
            slot.0.map(piece, libc::PROT_READ | libc::PROT_WRITE)?;
        }
        Ok(slot)
    }

    /// Makes the content the picture's again. False: give the slot up.
    fn reset(&mut self, image: &Image, method: ResetMethod) -> bool {
        match method {
            ResetMethod::Scan => match self.copy_back(image) {
                Some(pages) => pages <= MAX_PRIVATE_PAGES,
                None => self.reset(image, ResetMethod::Discard),
            },
            ResetMethod::Discard => {
                // SAFETY: the range is the slot's own; private pages are dropped, the files show again.
                unsafe { libc::madvise(self.0.base.as_ptr().cast(), image.length, libc::MADV_DONTNEED) == 0 }
            }
        }
    }

    /// Copies the picture over every private page; None where the kernel cannot name them.
    fn copy_back(&mut self, image: &Image) -> Option<usize> {
        let pagemap = pagemap()?;
        let base = self.0.base.as_ptr() as u64;
        let end = base + image.length as u64;
        let mut start = base;
        let mut pages = 0;
        let mut regions = [Region::default(); 64];
        while start < end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                start,
                end,
                vector: regions.as_mut_ptr() as u64,
                vector_length: regions.len() as u64,
                category_inverted: PAGE_IS_FILE,
                category_mask: PAGE_IS_FILE,
                category_any_of: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                return_mask: PAGE_IS_PRESENT,
                ..Scan::default()
            };
            // SAFETY: the request describes `regions`, which outlives the call.
            let found = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut scan) };
            let found = usize::try_from(found).ok()?;
            for region in &regions[..found] {
                let offset = usize::try_from(region.start.checked_sub(base)?).ok()?;
                let length = usize::try_from(region.end.checked_sub(region.start)?).ok()?;
                let original = image.content().get(offset..offset.checked_add(length)?)?;
                // SAFETY: the slot maps at least the picture's length at `base`, writable, and nobody
                // else can reach it: no guest owns it now.
                unsafe { std::ptr::copy_nonoverlapping(original.as_ptr(), self.0.base.as_ptr().add(offset), length) };
                pages += length / PAGE;
            }
            if scan.walk_end <= start {
                return None;
            }
            start = scan.walk_end;
        }
        Some(pages)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResetMethod {
    Scan,
    Discard,
}

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vector: u64,
    vector_length: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_any_of: u64,
    return_mask: u64,
}

/// `struct page_region` of `linux/fs.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
/// `_IOWR('f', 16, struct pm_scan_arg)`; Linux 6.7 and later.
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;

fn pagemap() -> Option<&'static File> {
    static PAGEMAP: OnceLock<Option<File>> = OnceLock::new();
    PAGEMAP.get_or_init(|| File::open("/proc/self/pagemap").ok()).as_ref()
}

thread_local! {
    /// From which picture the next memory of this thread is to start. `MemoryCreator` is not told for
    /// whom it works.
    static NEXT: RefCell<Option<Arc<Image>>> = const { RefCell::new(None) };
}

/// Runs `instantiate`; the memory that it creates starts from `image`.
pub fn starting_from<R>(image: &Arc<Image>, instantiate: impl FnOnce() -> R) -> R {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            NEXT.set(None);
        }
    }
    NEXT.set(Some(image.clone()));
    let _forget = Forget;
    instantiate()
}

/// Gives wasmtime its memories.
pub struct Creator;

// SAFETY: a memory is as large as it was asked to be with its guard, does not move, and is inaccessible
// beyond its size. It is zero-filled but for the picture, which stands for the module's data segments.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let capacity = reserved.ok_or("memories that move are not configured")?;
        let length = capacity.checked_add(guard).ok_or("a memory is too large")?;
        let image = NEXT.take();
        let slot = match &image {
            Some(image) if image.length < minimum || image.length > capacity => return Err("the picture does not fit the module".into()),
            Some(image) => match image.take_idle() {
                Some(slot) => slot,
                None => Slot::new(image, length).map_err(|error| error.to_string())?,
            },
            None => {
                let slot = Slot(Reservation::new(length).map_err(|error| error.to_string())?);
                slot.0.make_accessible(0, minimum).map_err(|error| error.to_string())?;
                slot
            }
        };
        let size = image.as_ref().map_or(minimum, |image| image.length);
        Ok(Box::new(Linear {
            slot: Some(slot),
            size,
            capacity,
            image,
        }))
    }
}

/// One guest's memory.
struct Linear {
    /// None only while it is being dropped.
    slot: Option<Slot>,
    size: usize,
    capacity: usize,
    image: Option<Arc<Image>>,
}

// SAFETY: see `Creator`.
unsafe impl LinearMemory for Linear {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        if let Some(slot) = &self.slot {
            if size > self.capacity {
                return Err(wasmtime::Error::msg("a memory outgrew its address space"));
            }
            slot.0.make_accessible(self.size, size)?;
            self.size = size;
        }
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.slot.as_ref().map_or(std::ptr::null_mut(), |slot| slot.0.base.as_ptr())
    }
}

impl Drop for Linear {
    fn drop(&mut self) {
        if let (Some(mut slot), Some(image)) = (self.slot.take(), &self.image)
            && self.size == image.length
            && slot.reset(image, ResetMethod::Scan)
        {
            image.put_idle(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of eight wasm pages: a mapped base, a few pages changed over it.
    fn pictures() -> (Arc<Image>, Arc<Image>) {
        let mut content: Vec<u8> = (0..8 * 65536).map(|at| (at / 7) as u8).collect();
        content[3 * PAGE..20 * PAGE].fill(0);
        let base = Image::whole(&content).unwrap();
        content[5 * PAGE + 17] = 99;
        content[70 * PAGE..71 * PAGE].fill(3);
        content[127 * PAGE + 4095] ^= 1;
        let over = Image::over(&base, &content).unwrap();
        assert_eq!(over.content(), content.as_slice());
        assert_eq!(over.pieces.len(), 4, "three runs over the base");
        (base, over)
    }

    fn slot_bytes<'a>(slot: &'a mut Slot, image: &Image) -> &'a mut [u8] {
        // SAFETY: the slot maps the picture's length, and the test holds its only owner.
        unsafe { std::slice::from_raw_parts_mut(slot.0.base.as_ptr(), image.len()) }
    }

    #[test]
    fn a_picture_with_many_changes_is_made_of_few_pieces() {
        let base = Image::whole(&vec![7; 64 << 20]).unwrap();
        let mut content = base.content().to_vec();
        for change in 0..100 {
            // Gaps of one to a hundred times more pages than are worth a piece.
            content[change * (change + 1) / 2 * (MAX_GAP_PAGES + 1) / 7 * PAGE] = 1;
        }
        let over = Image::over(&base, &content).unwrap();
        assert!(over.pieces.len() <= MAX_PIECES, "{}", over.pieces.len());
        assert!(over.own_bytes() < content.len(), "{}", over.own_bytes());
        assert!(over.content() == content.as_slice());
        let runs = at_most(2, vec![0..1, 5..6, 7..8, 20..21]);
        assert_eq!(runs, [0..8, 20..21]);
    }

    type Attack = (&'static str, fn(&mut [u8]));

    /// What a guest may do to its memory: each must be gone after a reset, byte for byte.
    const ATTACKS: &[Attack] = &[
        ("writes nothing", |_| ()),
        ("one byte", |memory| memory[12_345] = 1),
        ("first and last byte", |memory| {
            memory[0] ^= 0xff;
            let last = memory.len() - 1;
            memory[last] ^= 0xff;
        }),
        ("a page of a changed piece", |memory| memory[70 * PAGE..71 * PAGE].fill(8)),
        ("every other page, more runs than one scan returns", |memory| {
            for page in memory.chunks_mut(2 * PAGE) {
                page[1] ^= 0x55;
            }
        }),
        ("everything", |memory| memory.fill(0xee)),
        ("zeroes where the picture has data", |memory| memory.fill(0)),
        ("reads everything, then writes one", |memory| {
            let sum = memory.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            memory[40_000] = sum | 1;
        }),
    ];

    #[test]
    fn nothing_of_an_earlier_guest_is_left_in_a_slot() {
        let (base, over) = pictures();
        for image in [&base, &over] {
            for method in [ResetMethod::Scan, ResetMethod::Discard] {
                let mut slot = Slot::new(image, 16 * 65536).unwrap();
                for round in 0..3 {
                    for (name, attack) in ATTACKS {
                        attack(slot_bytes(&mut slot, image));
                        slot.reset(image, method);
                        assert!(slot_bytes(&mut slot, image) == image.content(), "{name}, {method:?}, round {round}");
                    }
                }
            }
        }
    }

    #[test]
    fn widely_written_and_grown_memories_are_given_up() {
        let (_, over) = pictures();
        let make = || {
            starting_from(&over, || {
                Creator
                    .new_memory(MemoryType::new(1, None), 65536, None, Some(1 << 32), 1 << 25)
                    .unwrap()
            })
        };
        drop(make());
        assert_eq!(over.idle.lock().len(), 1, "an untouched memory's slot is kept");
        let memory = make();
        assert_eq!(over.idle.lock().len(), 0, "and used again");
        // SAFETY: the memory is this test's own and at least a picture long.
        unsafe { std::ptr::write_bytes(memory.as_ptr(), 7, over.len()) };
        drop(memory);
        assert_eq!(over.idle.lock().len(), 0);
        let mut memory = make();
        memory.grow_to(over.len() + 65536).unwrap();
        drop(memory);
        assert_eq!(over.idle.lock().len(), 0);
    }

    #[test]
    fn a_picture_cannot_be_changed() {
        let (base, _) = pictures();
        let file = File::from(base.pieces[0].file.try_clone().unwrap());
        assert!(std::os::unix::fs::FileExt::write_at(&file, b"x", 0).is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn one_thread_s_picture_is_not_another_memory_s() {
        let (base, _) = pictures();
        starting_from(&base, || ());
        let memory = Creator
            .new_memory(MemoryType::new(1, None), 65536, None, Some(1 << 32), 1 << 25)
            .unwrap();
        assert_eq!(memory.byte_size(), 65536);
    }
}

//! Which functions' snapshots are kept: those used last, up to a size in all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::memory::Image;

/// Memory that all snapshots together may hold beyond the interpreters' own.
const MAX_BYTES: usize = 256 << 20;
/// Snapshots, whatever their size: each is some mappings and, with its slots, a lot of address space.
const MAX_SNAPSHOTS: usize = 512;

/// A function's place for its snapshot.
#[derive(Default)]
pub struct Place {
    image: Mutex<Option<Arc<Image>>>,
    last_used: AtomicU64,
}

/// All places that hold one.
#[derive(Default)]
pub struct Snapshots {
    places: Mutex<Vec<Weak<Place>>>,
    uses: AtomicU64,
}

impl Snapshots {
    pub fn get(&self, place: &Place) -> Option<Arc<Image>> {
        place.last_used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        place.image.lock().clone()
    }

    /// Keeps `image` in `place`, and drops others if it is too much.
    pub fn put(&self, place: &Arc<Place>, image: Arc<Image>) {
        *place.image.lock() = Some(image);
        let mut places = self.places.lock();
        places.retain(|known| known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(place)));
        places.push(Arc::downgrade(place));
        self.evict(&mut places);
    }

    fn evict(&self, places: &mut Vec<Weak<Place>>) {
        let mut held: Vec<(u64, usize, Arc<Place>)> = places
            .iter()
            .filter_map(Weak::upgrade)
            .map(|place| {
                let bytes = place.image.lock().as_ref().map_or(0, |image| image.own_bytes());
                (place.last_used.load(Ordering::Relaxed), bytes, place)
            })
            .collect();
        held.sort_by_key(|(last_used, ..)| *last_used);
        let mut bytes: usize = held.iter().map(|(_, bytes, _)| bytes).sum();
        let mut count = held.len();
        for (_, size, place) in held {
            if bytes <= MAX_BYTES && count <= MAX_SNAPSHOTS {
                break;
            }
            *place.image.lock() = None;
            places.retain(|known| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(&place)));
            bytes -= size;
            count -= 1;
        }
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.places.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snapshot_used_longest_ago_goes_first() {
        let snapshots = Snapshots::default();
        let image = Image::whole(&[1; 65536]).unwrap();
        let places: Vec<Arc<Place>> = (0..MAX_SNAPSHOTS).map(|_| Arc::default()).collect();
        for place in &places {
            snapshots.get(place);
            snapshots.put(place, image.clone());
        }
        snapshots.get(&places[0]);
        let newest: Arc<Place> = Arc::default();
        snapshots.get(&newest);
        snapshots.put(&newest, image.clone());
        assert_eq!(snapshots.held(), MAX_SNAPSHOTS);
        assert!(snapshots.get(&places[0]).is_some());
        assert!(snapshots.get(&places[1]).is_none());
        drop(places);
        snapshots.put(&newest, image);
        assert_eq!(snapshots.held(), 1, "dropped functions are forgotten");
    }
}

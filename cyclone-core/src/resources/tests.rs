use super::{MissingResource, Resources};

struct Answer(u32);

#[test]
fn named_and_unnamed_resources_are_apart() {
    let resources = Resources::builder()
        .insert(Answer(1))
        .insert_named("other", Answer(2))
        .build();
    assert_eq!(resources.get::<Answer>().unwrap().0, 1);
    assert_eq!(resources.get_named::<Answer>("other").unwrap().0, 2);
    assert!(resources.get_named::<Answer>("third").is_err());
}

#[test]
fn a_later_insert_replaces_an_earlier_one() {
    let resources = Resources::builder()
        .insert(Answer(1))
        .insert(Answer(2))
        .build();
    assert_eq!(resources.get::<Answer>().unwrap().0, 2);
}

#[test]
fn a_missing_resource_names_its_type_and_name() {
    let resources = Resources::default();
    let error = resources.get_named::<Answer>("main").err().unwrap();
    assert_eq!(error, MissingResource::of::<Answer>(Some("main")));
    assert!(error.to_string().ends_with("tests::Answer` named `main`"));
}

//! `nanoclawctl user`, `role` and `member`: who writes, and what they may do.

use std::process::ExitCode;

use nc_config::Options;
use nc_model::{GroupId, Role};
use nc_store::{Member, RoleGrant, Store, User, UserFilter};
use nix::unistd::User as UnixAccount;
use serde_json::{Value, json};

use crate::ending::Refusal;
use crate::group::{self, TERMINAL};
use crate::installed::Installed;
use crate::user::UnixUser;
use crate::{cli, names, output, page};

pub(crate) fn users(options: &Options, command: &cli::User) -> anyhow::Result<ExitCode> {
    let cli::User::List(list) = command;
    let store = Installed::load(options)?.existing_store()?;
    let filter = UserFilter { role: list.role, after: list.list.page.after.clone().unwrap_or_default() };
    let page = &list.list.page;
    let (users, more) = page::cut(store.users_listed(&filter, page::asked(page))?, page, |user| user.id.clone());
    let known = users.iter().map(|user| Known::of(&store, user)).collect::<anyhow::Result<Vec<_>>>()?;
    if list.list.json.json {
        output::json(&known.iter().map(Known::fields).collect::<Vec<_>>())?;
    } else {
        let rows = known.iter().map(Known::row).collect();
        output::table(
            &["user", "name", "roles", "member of"],
            rows,
            "no user: nobody has written, or none is as asked for",
        )?;
    }
    page::tell(more);
    Ok(ExitCode::SUCCESS)
}

/// A user with everything that he is to groups.
struct Known<'a> {
    user: &'a User,
    roles: Vec<(RoleGrant, Option<String>)>,
    memberships: Vec<Member>,
}

impl<'a> Known<'a> {
    fn of(store: &Store, user: &'a User) -> anyhow::Result<Self> {
        let folder = |grant: &RoleGrant| match grant.group {
            Some(group) => store.group(group).map(|group| Some(group.folder.to_string())),
            None => Ok(None),
        };
        let roles = store.roles_of(&user.id)?.into_iter().map(|grant| folder(&grant).map(|folder| (grant, folder)));
        Ok(Self { user, roles: roles.collect::<Result<_, _>>()?, memberships: store.memberships_of(&user.id)? })
    }

    fn row(&self) -> Vec<String> {
        let role = |(grant, folder): &(RoleGrant, Option<String>)| match folder {
            Some(folder) => format!("{} of {folder}", grant.role),
            None => grant.role.to_string(),
        };
        let roles: Vec<String> = self.roles.iter().map(role).collect();
        let groups: Vec<&str> = self.memberships.iter().map(|m| m.folder.as_str()).collect();
        let name = self.user.display_name.clone().unwrap_or_default();
        vec![self.user.id.clone(), name, roles.join(", "), groups.join(" ")]
    }

    fn fields(&self) -> Value {
        let role = |(grant, folder): &(RoleGrant, Option<String>)| {
            json!({
                "role": grant.role, "group": folder, "granted_by": grant.granted_by,
                "granted_at": grant.granted_at.to_string(),
            })
        };
        json!({
            "id": self.user.id, "name": self.user.display_name, "created_at": self.user.created_at.to_string(),
            "roles": self.roles.iter().map(role).collect::<Vec<_>>(),
            "member_of": self.memberships.iter().map(|m| &m.folder).collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn roles(options: &Options, command: &cli::RoleCommand) -> anyhow::Result<ExitCode> {
    let mut store = Installed::load(options)?.existing_store()?;
    let (cli::RoleCommand::Grant(of) | cli::RoleCommand::Revoke(of)) = command;
    if of.role == Role::Owner && of.group.is_some() {
        return Err(Refusal::look("--group: an owner is one everywhere; leave --group out, or grant the role admin"));
    }
    let group = of.group.as_deref().map(|given| group::find(&store, given)).transpose()?;
    let id = group.as_ref().map(|group| group.id);
    let where_ = group.map_or_else(|| "everywhere".to_owned(), |group| format!("in \"{}\"", group.folder));
    let (user, role) = (find(&mut store, &of.user, matches!(command, cli::RoleCommand::Grant(_)))?, of.role);
    match command {
        cli::RoleCommand::Grant(_) if has(&store, &user, role, id)? => {
            output::line(format!("{user} is {role} {where_} already"))?;
        }
        cli::RoleCommand::Grant(_) => {
            store.grant_role(&user, role, id, by(&store)?.as_deref())?;
            output::line(format!("{user} is {role} {where_}"))?;
        }
        cli::RoleCommand::Revoke(_) => {
            if !store.revoke_role(&user, role, id)? {
                let held = Known::of(&store, &known(&store, &user)?)?.row().swap_remove(2);
                let held = if held.is_empty() { "no role".to_owned() } else { held };
                return Err(Refusal::no(format!("{user} is not {role} {where_}, but {held}: nothing was changed")));
            }
            output::line(format!("{user} is not {role} {where_} any more"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn has(store: &Store, user: &str, role: Role, group: Option<GroupId>) -> anyhow::Result<bool> {
    Ok(store.roles_of(user)?.iter().any(|grant| grant.role == role && grant.group == group))
}

pub(crate) fn members(options: &Options, command: &cli::Member) -> anyhow::Result<ExitCode> {
    let mut store = Installed::load(options)?.existing_store()?;
    match command {
        cli::Member::Add(of) => {
            let group = group::find(&store, &of.group)?;
            let user = find(&mut store, &of.user, true)?;
            store.add_member(&user, group.id, by(&store)?.as_deref())?;
            output::line(format!("{user} is a member of \"{}\"", group.folder))?;
        }
        cli::Member::Remove(of) => {
            let group = group::find(&store, &of.group)?;
            let user = find(&mut store, &of.user, false)?;
            if !store.remove_member(&user, group.id)? {
                return Err(Refusal::no(format!("{user} is no member of \"{}\": nothing was changed", group.folder)));
            }
            output::line(format!("{user} is no member of \"{}\" any more", group.folder))?;
        }
        cli::Member::List(list) => list_members(&store, list)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list_members(store: &Store, list: &cli::MemberList) -> anyhow::Result<()> {
    let (group, page) = (group::find(store, &list.group)?, &list.list.page);
    let after = page.after.as_deref().unwrap_or_default();
    let found = store.members_of(group.id, after, page::asked(page))?;
    let (members, more) = page::cut(found, page, |member| member.user.clone());
    if list.list.json.json {
        let fields = |m: &Member| json!({ "user": m.user, "name": m.name, "added_by": m.added_by, "added_at": m.added_at.to_string() });
        output::json(&members.iter().map(fields).collect::<Vec<_>>())?;
    } else {
        let row = |m: &Member| {
            vec![
                m.user.clone(),
                m.name.clone().unwrap_or_default(),
                m.added_at.to_string(),
                m.added_by.clone().unwrap_or_default(),
            ]
        };
        let rows = members.iter().map(row).collect();
        output::table(
            &["user", "name", "since", "by"],
            rows,
            "nobody: owners and admins are known to it all the same",
        )?;
    }
    page::tell(more);
    Ok(())
}

/// The id of the user that `given` means. A Unix user of this machine who has not talked yet is made where `make` says so.
fn find(store: &mut Store, given: &str, make: bool) -> anyhow::Result<String> {
    if store.user(given)?.is_some() {
        return Ok(given.to_owned());
    }
    let account = given.strip_prefix(TERMINAL).and_then(|rest| rest.strip_prefix(':')).filter(|_| make);
    if let Some(Ok(Some(account))) = account.map(UnixAccount::from_name) {
        store.upsert_user(given, Some(&account.name))?;
        return Ok(given.to_owned());
    }
    let meant = names::question(names::nearest_user(store, given)?);
    Err(Refusal::no(format!(
        "there is no user {given:?}{meant}: whoever has written is one, and `nanoclawctl user list` shows them"
    )))
}

fn known(store: &Store, user: &str) -> anyhow::Result<User> {
    store.user(user)?.ok_or_else(|| Refusal::no(format!("there is no user {user:?}")))
}

/// Who gives a role: whoever sits here, where the store knows them.
fn by(store: &Store) -> anyhow::Result<Option<String>> {
    let own = UnixUser::current().id();
    Ok(store.user(&own)?.map(|user| user.id))
}
